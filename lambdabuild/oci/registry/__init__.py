"""Registries: manifests and blobs there and back, by the OCI distribution spec 1.1.

    reference     "host/repository:tag@digest", as docker reads it
    settings      the environment -> proxies, certificates, docker's configuration
    client        Client: one a process, shared by threads; gives Repositories
    repository    Repository: manifests, blobs, tags
    manifests, index, tags            what it says in documents
    downloads, uploads, bytes_check   blobs, streamed and verified
    work, session, retries            a question, with what it takes to be let in and answered
    auth, challenges, tokens          Basic and Bearer
    credentials, login, helpers, ecr  docker's configuration, its helpers, AWS
    transport, connections            one exchange over HTTP: redirects, TLS, proxies
    trouble, refusals                 what can go wrong, as sentences

Absent: mirrors, caches, chunked uploads (PATCH), referrers, deletion of tags and blobs, schema 1.
Importing this package or `reference` loads no HTTP library; `client` does.
"""
