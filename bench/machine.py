"""What a run was measured on: the machine, and the versions of everything that took part."""
import os
import pathlib
import platform
import re
import subprocess
import time

from process import TALLY, disk_folder

PACKAGES = ("nghttp2-server", "nghttp2-client", "nginx", "wrk", "redis-server", "mariadb-server",
            "libmariadb3")


def processor():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return model.group(1) if model else platform.machine()


def memory_gib():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def line():
    """One line, for the head of a table."""
    return (f"{os.cpu_count()} cores ({processor()}), {memory_gib():.0f} GiB, "
            f"Linux {platform.release()}, {time.strftime('%Y-%m-%d')}; "
            "load generator on the same cores")


def filesystem(folder):
    """Kind of the file system that a folder is on, as /proc/mounts has it."""
    folder, best = os.path.realpath(folder), ("", "unknown")
    for mount in pathlib.Path("/proc/mounts").read_text().splitlines():
        _, point, kind = mount.split()[:3]
        inside = point == "/" or folder == point or folder.startswith(point + "/")
        if inside and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]


def sync_us(folder, count=400):
    """Median time of a 4 KiB write with fdatasync, appended."""
    times = []
    block = os.urandom(4096)
    path = pathlib.Path(folder) / "sync"
    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        for i in range(count):
            start = time.perf_counter()
            os.pwrite(fd, block, i * 4096)
            os.fdatasync(fd)
            times.append(time.perf_counter() - start)
    finally:
        os.close(fd)
        path.unlink()
    return sorted(times)[count // 2] * 1e6


def description(folder):
    return {
        "processor": processor(), "cores": os.cpu_count(), "memory_gib": round(memory_gib(), 1),
        "kernel": platform.release(), "system": system(), "data_on": filesystem(disk_folder()),
        "fdatasync_4kib_us": round(sync_us(folder)), "load": [round(x, 2) for x in os.getloadavg()],
    }


def system():
    try:
        text = pathlib.Path("/etc/os-release").read_text()
    except OSError:
        return "unknown"
    return re.search(r'PRETTY_NAME="?([^"\n]*)', text).group(1)


def versions():
    found = {}
    for package in PACKAGES:
        try:
            done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package],
                                  capture_output=True, text=True, check=False)
            found[package] = done.stdout.strip() or "not installed"
        except FileNotFoundError:
            found[package] = "unknown"
    done = subprocess.run([str(TALLY), "--version"], capture_output=True, text=True, check=False)
    found["tally"] = (done.stdout.strip() or "unknown").removeprefix("tally ")
    return found
