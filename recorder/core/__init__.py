"""What is done to the audio, without I/O: no await, no clock, no randomness, no log, no path, no thread.

Time comes in as an argument, monotonic seconds as `float`; media time is an `int` in samples; UTC is an aware
`datetime` that enters once per connection. The three never mix.
"""
