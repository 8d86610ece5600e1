"""What every gateway of a group does, however its messages travel: roles, calls to the leader, and the coordinator."""
