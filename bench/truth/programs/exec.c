/* Every function of libc that runs a program, once each: built for glibc and for musl. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char *const argv_true[] = {"true", "x", NULL};
static char *const argv_missing[] = {"no-such-program", NULL};
static char *const env_small[] = {"A=b", "PATH=/usr/bin:/bin", NULL};

static void report(const char *name, int status) {
    printf("%s %d\n", name, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    fflush(stdout);
}

#define IN_CHILD(name, call)                                                                                           \
    do {                                                                                                               \
        int status_ = 0;                                                                                               \
        pid_t pid_ = fork();                                                                                           \
        if (pid_ == 0) {                                                                                               \
            call;                                                                                                      \
            _exit(9);                                                                                                  \
        }                                                                                                              \
        waitpid(pid_, &status_, 0);                                                                                    \
        report(name, status_);                                                                                         \
    } while (0)

static void spawned(const char *name, int error, pid_t pid) {
    int status = 0;
    if (error != 0) {
        printf("%s error %d\n", name, error);
        return;
    }
    waitpid(pid, &status, 0);
    report(name, status);
}

int main(void) {
    pid_t pid = 0;
    IN_CHILD("execve", execve("/bin/true", argv_true, env_small));
    IN_CHILD("execv", execv("/bin/true", argv_true));
    IN_CHILD("execvp", execvp("true", argv_true));
    IN_CHILD("execvpe", execvpe("true", argv_true, env_small));
    IN_CHILD("execl", execl("/bin/true", "true", "a", "b", "c", (char *)NULL));
    IN_CHILD("execlp", execlp("true", "true", "a", "b", "c", "d", "e", "f", "g", (char *)NULL));
    IN_CHILD("execle", execle("/bin/true", "true", "a", (char *)NULL, env_small));
    IN_CHILD("fexecve", fexecve(open("/bin/true", O_RDONLY | O_CLOEXEC), argv_true, env_small));
#ifdef __GLIBC__
    IN_CHILD("execveat", execveat(AT_FDCWD, "/bin/true", argv_true, env_small, 0));
#endif
    IN_CHILD("missing execvp", execvp("no-such-program", argv_missing));
    IN_CHILD("missing execve", execve("/no/such/program", argv_missing, env_small));
    IN_CHILD("directory", execv("/tmp", argv_true));
    pid = vfork();
    if (pid == 0) {
        execv("/bin/true", argv_true);
        _exit(9);
    }
    spawned("vfork", 0, pid);
    spawned("posix_spawn", posix_spawn(&pid, "/bin/true", NULL, NULL, argv_true, env_small), pid);
    spawned("posix_spawnp", posix_spawnp(&pid, "true", NULL, NULL, argv_true, environ), pid);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "from-spawn", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    char *const argv_echo[] = {"echo", "to a file", NULL};
    spawned("posix_spawn with an open", posix_spawn(&pid, "/bin/echo", &actions, NULL, argv_echo, environ), pid);
    posix_spawn_file_actions_destroy(&actions);
    spawned("missing posix_spawn", posix_spawn(&pid, "/no/such/program", NULL, NULL, argv_missing, environ), pid);
    spawned("missing posix_spawnp", posix_spawnp(&pid, "no-such-program", NULL, NULL, argv_missing, environ), pid);
    report("system", system("exit 3"));
    FILE *pipe = popen("echo from popen", "r");
    char line[64] = "";
    if (pipe == NULL || fgets(line, sizeof line, pipe) == NULL) return 1;
    printf("%s", line);
    report("popen", pclose(pipe));
    int file = open("script", O_WRONLY | O_CREAT, 0700);
    if (write(file, "echo no interpreter line\n", 25) != 25) return 1;
    close(file);
    char *const argv_script[] = {"script", NULL};
    IN_CHILD("script without an interpreter line", execvp("./script", argv_script));
    return 0;
}
