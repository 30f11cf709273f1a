"""A small bilingual speech model of our own, for first runs and tests: recipe and result.

`models/es` and `models/en` are what Vosk loads. They know only the words in `words.py`.
`python -m centralita.asr.mini.build` makes them again; see README.md.
"""
