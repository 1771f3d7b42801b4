"""The engine that trains jobs in processes of this machine."""
