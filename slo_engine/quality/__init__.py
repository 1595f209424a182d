"""SLOs over judged samples: their memory, what a sample says, when it opens a ticket, and how it is told."""
