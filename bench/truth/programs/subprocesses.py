"""Every way in which Python starts a program."""
import multiprocessing, os, shutil, subprocess, sys, tempfile

def double(x):
    with open(f"worker-{x}", "w") as out:
        out.write(str(2 * x))
    return 2 * x

if __name__ == "__main__":
    print(subprocess.run(["echo", "run"], capture_output=True, text=True).stdout, end="")
    print(subprocess.check_output("echo shell | tr a-z A-Z", shell=True, text=True), end="")
    os.mkdir("sub")
    subprocess.run(["sh", "-c", "pwd >where; echo $ONLY"], cwd="sub", env={"ONLY": "mine", "PATH": os.environ["PATH"]})
    subprocess.run(["/bin/true"], close_fds=False)
    subprocess.run(["/bin/true"], preexec_fn=lambda: None, start_new_session=True)
    try:
        subprocess.run(["no-such-program"])
    except FileNotFoundError:
        print("not found")
    sys.stdout.flush()
    os.system("echo system >system-made; cat system-made")
    with os.popen("echo popen") as pipe:
        print(pipe.read(), end="")
    os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0)
    os.waitpid(os.posix_spawnp("sh", ["sh", "-c", "echo spawned >spawned"], os.environ), 0)
    os.spawnlp(os.P_WAIT, "sh", "sh", "-c", "cat spawned")
    for call in (lambda: os.execv("/bin/true", ["true"]), lambda: os.execvp("true", ["true"]),
                 lambda: os.execve("/bin/true", ["true"], {}), lambda: os.execlp("no-such", "no-such")):
        pid = os.fork()
        if pid == 0:
            try:
                call()
            except OSError:
                os._exit(3)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    fd = os.open("/bin/true", os.O_RDONLY)
    pid = os.fork()
    if pid == 0:
        os.execve(fd, ["true"], {"A": "b"})
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(double, [1, 2, 3]))
    with tempfile.NamedTemporaryFile("w") as file, tempfile.TemporaryFile() as other, tempfile.TemporaryDirectory() as d:
        file.write("x")
        other.write(b"x")
        shutil.copytree("sub", os.path.join(d, "copy"))
    print(sorted(os.listdir(".")))
