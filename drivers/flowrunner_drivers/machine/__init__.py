"""Drivers of the machine family."""
