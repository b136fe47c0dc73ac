"""Where is work done? Executors: this process, local processes, the nodes of a cluster."""
