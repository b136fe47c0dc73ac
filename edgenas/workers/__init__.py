"""Where is work done? In this process, or in processes that are replaced when they die."""
