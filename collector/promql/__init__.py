"""Counting from a server that scrapes the fleet already: its raw samples, through the same rules as a scrape's pages.

One round's way: `settings → wanted.expressions → api.raw → pages.read → members.feed → source.commit`.
Before it, where SLOs have free queries: `plan → api.course → minutes.answered → queries.commit`.
"""
