"""All that speaks to the model hub, as a process of its own: ``python -m app.hub``. Messages: ``app.hub_protocol``.

    process    what the process does to itself first        service    requests and pulls, and their threads
    net        the one way out, counted                     api        what the hub is asked, answers checked
    errors     what went wrong, as codes                    access     gates and tokens
    plan       which files a download is                    describe   a repository before the download
    pull       one download                                 blobs      one file of it
    cache      the folder that other tools share            locks      one at a time, over all processes

Large files come over plain HTTP, from the bridge that the hub keeps for them: hf_xet, its other way, cannot be
tested without its servers, resumes nothing across runs and cannot be stopped within a file. The hub says that its
bridge refuses files above 50 GB in one answer; they are asked for in ranges of ``blobs.SLICE``.
"""
