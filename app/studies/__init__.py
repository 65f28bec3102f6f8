"""What only a worker looks into, because it takes vectors of texts or the evaluators themselves.

The result is stored as plain values (a *study*), and the report's sections read it. Nothing that
answers a request imports this package.

clusters   groups failing answers by topic, names them, matches them to last week's
drift      whether questions of this week can be told from earlier ones by their vectors
swapping   whether the evaluators judge alike when only a group's name is exchanged
week       reads a week, studies it, stores the result
"""

from app.studies.week import study_week

__all__ = ["study_week"]
