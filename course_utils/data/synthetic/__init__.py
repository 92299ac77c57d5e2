"""Data that the course computes itself, where the real ones cannot be had."""
