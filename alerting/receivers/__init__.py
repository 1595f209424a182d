"""The receivers: one file each, holding its settings and how it writes and reads.

To add one: a file here with a frozen model that follows `port.Receiver`, and one line in `settings.ReceiverSettings`.
"""
