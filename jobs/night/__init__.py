"""The night: the same job on a schedule, gated against the best night so far. Who starts it doesn't matter.

nightly    one night as a story; start reading here
attempt    what is known of a night when it begins, and recorded if it fails
context    what every step of a night needs
nights     a night's date, spec and names
names      of variants and trials in its scores
records    its files in the store: specs, state.json, night.json
scores     its trials, measured on the rows that all nights share
gate_best  is a night of an edited spec better or worse than its champion; else, jobs/results/gate.py says
matching   which of its datasets is compared with which one of the champion's
grown      tables whose file has grown since
common     the rows on which these are compared
decision   what a night is compared with, and its promotion
champion   the night whose models are used
lock       one night at a time
repair     rebuilds what nights have lost
retention  which nights are deleted
deletable  which of their files may be
notify     events, and who is told of them
hook       a command of the user's
webhook    an address of the user's
webhook_address  where it is from
webhook_answer   what it answers, and whether to try again
payloads   what is sent of an event: JSON, or a message for Slack or Teams
watched    a night and the metrics of how it ended
metrics    the file for Prometheus
verdict    how a night was judged, in words: a short line and its details
effects    one change in words
report     how it was judged, as JSON
pruned     what retention has deleted, in words
status     what `nightly status` shows
history    what the page of nights shows
page       writes it
clock      the clocks, so that tests can move them
"""
