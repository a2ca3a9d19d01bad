"""AWS as a machine sees it: clients, what they cost, and their errors as ours.

Knows no builds. boto3 and botocore are imported when a client is first asked
for, since they cost more than most commands.
"""
