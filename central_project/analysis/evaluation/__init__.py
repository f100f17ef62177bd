"""How good were the recommendations and levels: an evaluation that can say "no edge".

Given what was said (snapshots) and what the market did afterwards (prices), the figures of a
report card with intervals, a random twin beside each, and a bar that allows for how many
figures were looked at.
"""
