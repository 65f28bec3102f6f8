"""What people say: pages over `app`, rendered on the server, that work without JavaScript.

A page's route is in the module of its subject (`signing_in`, `browsing`, `reviewing`, `trends`,
`weekly`), its words are in `templates/`, and `routes.router` joins them. Words of a trace are
hostile: they are shown as text and nothing else.
"""
