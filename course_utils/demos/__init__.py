"""What a learner publishes: a page that reads digits, and an app of three networks.

`python -m course_utils.demos --help` lists the commands; nothing here is imported by
the rest of the course.
"""
