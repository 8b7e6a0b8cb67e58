/* Eight threads that open, connect and spawn at the same time. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void *work(void *which) {
    long n = (long)which;
    char name[32];
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "t%ld-%d", n, i);
        int fd = open(name, O_WRONLY | O_CREAT, 0600);
        if (fd < 0) return (void *)1;
        close(fd);
        FILE *file = fopen(name, "r");
        if (file == NULL) return (void *)1;
        fclose(file);
    }
    for (int i = 0; i < 10; i++) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(getenv("TRUTH_CLOSED")))};
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (unsigned)n);
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&in, sizeof in) != 0) return (void *)1;
        close(fd);
        pid_t pid;
        int status = 0;
        char *argv[] = {"true", NULL};
        if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) != 0) return (void *)1;
        waitpid(pid, &status, 0);
        if (status != 0) return (void *)1;
    }
    return NULL;
}

int main(void) {
    pthread_t threads[8];
    for (long n = 0; n < 8; n++) pthread_create(&threads[n], NULL, work, (void *)n);
    long failures = 0;
    for (int n = 0; n < 8; n++) {
        void *result = NULL;
        pthread_join(threads[n], &result);
        failures += (long)result;
    }
    printf("%ld failures\n", failures);
    return failures == 0 ? 0 : 1;
}
