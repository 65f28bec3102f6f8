"""Touchstone: what happened, how good was it, what do people say. The path of a trace:

1. **receive** (`receive.py`, `api/`): a request comes with a key; the key says which project.
2. **decode** (`ingest/otlp.py`, `ingest/logs.py`): bytes become spans; a bad span is refused by
   itself, with a reason. Nothing else is read yet.
3. **commit** (`writing.py`, `store/spans.py`): spans go to disk as they are, together with those
   of other requests. Only now is the answer 200. A copy of a span that is there already is a
   duplicate; of two copies the fuller stays.
4. **wait** (`store/spans.py: due_traces`): until no span has come for `trace_quiet_seconds`, at
   most `trace_max_age_seconds`. A span that comes later sends its trace through here again.
5. **assemble** (`ingest/stored.py`, `ingest/assemble.py`, `ingest/dialects/`): what came is read;
   hostile values become harmless ones, the same on every database. The topmost span with a prompt
   and a response becomes an interaction; where each word was found is kept beside it.
6. **enqueue** (`store/evaluations.py`): one row per evaluator, in the same transaction. An
   evaluator whose words are missing abstains here. Nothing waits in memory.
7. **claim** (`worker.py`, `store/evaluations.py`): a worker takes rows for a time, with a token.
8. **judge** (`outcomes.py`, `isolation.py`, `evaluators/`): batches of plain text become verdicts
   or abstentions, in a process apart that is replaced when it hangs or dies. No transaction is
   held. A fault costs the sample that caused it.
9. **record** and **roll up** (`store/evaluations.py`, `store/rollups.py`): verdict and counts in
   one transaction, and only for who holds the token.
10. **show** (`api/`, `feedback_ui/`, `reports/`): with interval, coverage and origin, or not at
    all. What reviewers say (`store/annotations.py`) stands beside the verdict, never in its place.
"""
