"""The Python interface: what `import harness` offers and the command line is made of."""
