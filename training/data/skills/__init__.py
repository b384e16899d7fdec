"""The skills, a file each: every one makes conversations that teach it."""
