/*
 * A program that brings its own malloc, as jemalloc is brought: it makes itself ready at the first call, under a lock, by
 * opening a file, and libearly.so calls it before other libraries have been started. Who calls malloc inside that open
 * waits for ever.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char pool[1 << 20] __attribute__((aligned(64)));
static size_t used;
static int ready;

static void prepare(void) {
    char answer[16];
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, answer, sizeof answer) >= 0) close(fd);
    fd = open("/etc/malloc.conf", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) close(fd);
    ready = 1;
}

void *malloc(size_t size) {
    pthread_mutex_lock(&lock);
    if (!ready) prepare();
    size_t at = used + 64;
    used = at + ((size + 63) & ~(size_t)63);
    void *result = used < sizeof pool ? &pool[at] : NULL;
    if (result != NULL) memcpy(&pool[at - 64], &size, sizeof size);
    pthread_mutex_unlock(&lock);
    return result;
}

void free(void *pointer) { (void)pointer; }

void *calloc(size_t count, size_t size) { return malloc(count * size); }

void *realloc(void *old, size_t size) {
    void *result = malloc(size);
    size_t before = 0;
    if (old != NULL) memcpy(&before, (char *)old - 64, sizeof before);
    if (old != NULL && result != NULL) memcpy(result, old, before < size ? before : size);
    return result;
}

int main(void) {
    FILE *file = fopen("made", "w");
    if (file == NULL) return 1;
    fclose(file);
    printf("%s\n", used > 0 ? "allocated" : "nothing");
    return 0;
}
