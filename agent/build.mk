# Compiled with the agent's flags; the shared files are the only ones of other folders in the guest.
agent_SRC :=
agent_shared_SRC :=
