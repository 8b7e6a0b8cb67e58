/* Finds a command as execvp(3) does, and executes it. */
#ifndef AGENTOPS_EXEC_SEARCH_H
#define AGENTOPS_EXEC_SEARCH_H

/*
 * Only returns when it failed: an errno, ENOENT when there is no such command. A file without a known format goes to
 * /bin/sh. Probes of PATH are no execs: only what is there is executed, so that one command is one event.
 */
int command_execute(char **command, char **environment);

#endif
