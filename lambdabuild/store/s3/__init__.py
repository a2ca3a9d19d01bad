"""The content store and the action cache in one bucket of S3, below one prefix.

    store.json         what the store is, and after how many days its bucket removes things
    cas/<64 hex>       bytes: a pack of small blobs, or one large blob
    index/<64 hex>     a segment of the index: which blob lies where in which object of cas/
    results/<64 hex>   a segment of action results
    keys/<64 hex>      a pack of the documents that keys are hashes of

All but store.json are named by the BLAKE3 of their bytes and never change. So
a blob is held when an index segment names a place for it, a LIST of cas/ shows
the object there, as long as the index says, and the object is not near its
expiry. Bytes are verified against their digest whenever they are read: a wrong
index can hide a blob and never falsify one. A local clock decides nothing; ages
are differences of times that S3 told. Who removes what nobody needs reads all of
it with `survey`; which that is, `retention` knows.
"""
