"""The demo: eight weeks of invented traffic of three invented applications, with planted events.

Everything in this package is synthetic. The passages, questions, answers, reviewers and thumbs
were written or are generated for the demo; no person and no language model said any of it.

    content/    the words: passages with questions, faithful and ungrounded answers
    library.py  reads them
    events.py   what is planted, where and when
    plan.py     how many interactions, when, in which language, and what is wrong with them
    wording.py  turns one planned interaction into words
    traffic.py  all interactions of the eight weeks, always the same
    spans.py    an interaction as spans, in the convention of its application
    send.py     sends them with the OpenTelemetry SDK
    review.py   synthetic reviewers and end users
    server.py   a server of its own for the demo
"""
