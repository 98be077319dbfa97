import * as Capture from "@bottle/process/Capture"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import { note } from "./support/missing.js"
import { everybody, expectOk, isRoot, machine, type Running } from "./support/runner.js"
import { testsFor } from "./support/suite.js"

/** A server on the host for as long as the scope lasts, and how many connections it saw. */
const listen = (options: Net.ListenOptions) =>
  Effect.acquireRelease(
    Effect.async<{ readonly server: Net.Server; readonly seen: () => number }>((resume) => {
      let connections = 0
      const server = Net.createServer((socket) => {
        connections += 1
        socket.on("error", () => {})
        socket.end("hello from the host\n")
      })
      server.listen(options, () => resume(Effect.succeed({ server, seen: () => connections })))
    }),
    ({ server }) => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
  )

const portOf = (server: Net.Server): number => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

/** Connects from the guest; prints what it hears. `kind` is tcp, unix or abstract. */
const connectText = String.raw`
import socket, sys
kind, where = sys.argv[1], sys.argv[2]
if kind == "tcp":
    host, port = where.rsplit(":", 1)
    s = socket.create_connection((host, int(port)), 3)
else:
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(3)
    s.connect(("\0" if kind == "abstract" else "") + where)
print(s.recv(100).decode())
`

const connect = (guest: Running, kind: string, where: string) =>
  guest.exec(["/usr/bin/python3", "-c", connectText, kind, where])

const hasPerl = Fs.existsSync("/usr/bin/perl") && ["x64", "arm64"].includes(process.arch)
const hasPython = Fs.existsSync("/usr/bin/python3")

describe.each(everybody)(`isolation, $name${note}`, ({ make }) => {
  const test = testsFor(make, 60_000)

  test("a command is an ordinary user without any capability, and cannot get new privileges", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const id = yield* guest.sh("id -u; id -g; id -G")
      assert.strictEqual(id.stdout, "1000\n1000\n1000\n")
      const status = yield* guest.sh("grep -E '^(Cap(Inh|Prm|Eff|Amb)|NoNewPrivs)' /proc/self/status")
      assert.deepStrictEqual(status.stdout.replaceAll("\t", " ").trim().split("\n").sort(), [
        "CapAmb: 0000000000000000",
        "CapEff: 0000000000000000",
        "CapInh: 0000000000000000",
        "CapPrm: 0000000000000000",
        "NoNewPrivs: 1"
      ])
    }))

  test("root's files and directories, and the host's own, are not there, while the system's programs are", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      for (const path of [
        "/etc/shadow",
        "/etc/ssh",
        "/etc/sudoers",
        "/sys/kernel",
        "/var/run",
        "/run/docker.sock",
        "/var/run/docker.sock",
        "/var/lib/dpkg",
        "/boot",
        "/dev/mem",
        "/dev/kmsg",
        "/dev/net/tun",
        runner.directory,
        Os.homedir()
      ].filter((path) => path !== "/root" && path !== "/")) {
        const look = yield* guest.sh('[ -e "$1" ] || [ -L "$1" ]', path)
        assert.strictEqual(look.code, 1, `${path} is there`)
      }
      const lists = yield* guest.sh("ls -A /root /run /home /var/log /var/lib /mnt /tmp; ls /usr/bin | wc -l")
      const words = lists.stdout.split(/\s+/).filter((word) => word !== "" && !word.endsWith(":"))
      assert.deepStrictEqual(words.slice(0, -1), ["bottle"])
      assert.isAbove(Number(words.at(-1)), 50)
      assert.include((yield* guest.sh("cat /etc/passwd")).stdout, "bottle:x:1000:1000")
    }))

  test("the system's directories cannot be written, while home, /tmp and /workspace can", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      for (const directory of ["/usr", "/usr/bin", "/etc/ssl/certs", "/dev", "/proc", "/proc/sys/kernel"]) {
        const write = yield* guest.sh('echo x >"$1/new"', directory)
        assert.notStrictEqual(write.code, 0, `${directory} can be written`)
      }
      expectOk(yield* guest.sh('for d in "$HOME" /tmp /workspace; do echo x >"$d/new" && cat "$d/new"; done'))
    }))

  test("mounting, remounting, unmounting and changing the root are refused", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      for (const script of [
        "mount -t tmpfs none /mnt",
        "mount --bind /tmp /mnt",
        "mount -o remount,rw,bind /usr",
        "mount -o remount,rw,bind /",
        "umount /usr",
        "umount -l /proc",
        "pivot_root /tmp /tmp",
        "chroot /tmp /bin/true",
        "nsenter --target 1 --mount true",
        "mknod /tmp/sda b 8 0",
        "ip link add dummy0 type dummy",
        "ip addr add 10.1.2.3/8 dev lo",
        "echo 1 >/proc/sys/user/max_user_namespaces",
        "echo x >/proc/sys/kernel/core_pattern"
      ]) {
        const attempt = yield* guest.sh(script)
        assert.notStrictEqual(attempt.code, 0, `${script} worked`)
      }
      expectOk(yield* guest.sh("mkdir /tmp/d && mv /tmp/d /tmp/e && rmdir /tmp/e"))
    }))

  test("further namespaces are refused", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      for (const kind of [
        "--user",
        "--map-root-user",
        "--user --net",
        "--user --mount",
        "--pid --fork",
        "--net",
        "--uts"
      ]) {
        const attempt = yield* guest.sh(`unshare ${kind} true`)
        assert.notStrictEqual(attempt.code, 0, `unshare ${kind} worked`)
      }
      expectOk(yield* guest.sh("true & wait $!"))
    }))

  test(
    "a user namespace is refused by the kernel's own limit too",
    (runner) =>
      Effect.gen(function* () {
        const guest = yield* machine(runner)
        assert.strictEqual((yield* guest.sh("cat /proc/sys/user/max_user_namespaces")).stdout, "0\n")
        // clone(CLONE_NEWUSER | SIGCHLD), which the filter of system calls lets pass.
        const clone = (flags: number) =>
          guest.exec([
            "/usr/bin/perl",
            "-e",
            "my $r = syscall($ARGV[0] + 0, $ARGV[1] + 0, 0, 0, 0, 0); exit 0 if $r == 0; print $r > 0 ? 'born' : $!{ENOSPC} ? 'limit' : $!",
            String(process.arch === "arm64" ? 220 : 56),
            String(flags)
          ])
        assert.strictEqual((yield* clone(0x10000000 | 17)).stdout, "limit")
        assert.strictEqual((yield* clone(17)).stdout, "born")
      }),
    { skip: !hasPerl }
  )

  test(
    "what no namespace confines is refused: the hypervisor's sockets, the caller's keys, the kernel's log",
    (runner) =>
      Effect.gen(function* () {
        const guest = yield* machine(runner)
        const x64 = process.arch === "x64"
        const call = (number: number, ...words: ReadonlyArray<number>) =>
          Effect.map(
            guest.exec([
              "/usr/bin/perl",
              "-e",
              "my @n = map { 0 + $_ } @ARGV; my $r = syscall($n[0], @n[1 .. $#n]); if ($r < 0) { print 0 + $! } else { print 'passed' }",
              String(number),
              ...words.map(String)
            ]),
            (result) => result.stdout
          )
        const socket = x64 ? 41 : 198
        assert.strictEqual(yield* call(socket, 40, 1, 0), "97")
        assert.strictEqual(yield* call(socket, 1, 1, 0), "passed")
        assert.strictEqual(yield* call(x64 ? 250 : 219, 0, -3, 0), "1")
        assert.strictEqual(yield* call(x64 ? 103 : 116, 10, 0, 0), "1")
        assert.strictEqual(yield* call(x64 ? 321 : 280, 0, 0, 0), "1")
        assert.strictEqual(yield* call(425, 1, 0), "38")
        assert.strictEqual(yield* call(x64 ? 16 : 29, 0, 0x5412, 0), "1")
        assert.notStrictEqual(yield* call(x64 ? 16 : 29, 0, 0x5401, 0), "1")
        // Nobody's dumps reach the host's handler: the limit stays 1, whatever a command sets.
        const core = "awk '/Max core/ {print $5, $6}' /proc/self/limits"
        const limits = yield* guest.sh(`${core}; ulimit -c 0; ${core}; ulimit -n 100; ulimit -n`)
        assert.strictEqual(limits.stdout, "1 1\n1 1\n100\n")
        if (x64) assert.strictEqual(yield* call(0x4000_0000 + 39), "38")
        const status = yield* guest.sh("grep -E '^(Seccomp|SigIgn|SigBlk):' /proc/self/status")
        assert.deepStrictEqual(
          status.stdout.replaceAll(/\s+/g, " ").trim(),
          "SigBlk: 0000000000000000 SigIgn: 0000000000000000 Seccomp: 2"
        )
      }),
    { skip: !hasPerl }
  )

  test("set-user-id programs gain nothing", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const id = yield* guest.sh("cp /usr/bin/id /tmp/id && chmod 6755 /tmp/id && /tmp/id -u")
      assert.strictEqual(id.stdout, "1000\n")
      const flags = yield* guest.sh("awk '$4 !~ /nosuid/ && $3 != \"devtmpfs\" {print $2}' /proc/mounts")
      assert.strictEqual(flags.stdout.split("\n").filter((path) => !path.startsWith("/dev/") && path !== "").length, 0)
    }))

  test("the host's processes can be neither seen nor signalled, while the machine's own can", (runner) =>
    Effect.gen(function* () {
      const host = yield* Effect.acquireRelease(
        Effect.sync(() => spawn("/bin/sleep", ["300"], isRoot ? { uid: runner.uid, gid: runner.uid } : {})),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      const guest = yield* machine(runner)
      const pids = (yield* guest.sh("ls /proc | grep -E '^[0-9]+$'")).stdout.trim().split("\n").map(Number)
      assert.isBelow(pids.length, 10)
      assert.isBelow(Math.max(...pids), 1000)
      assert.notInclude((yield* guest.sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")).stdout, "sleep 300")
      const kill = yield* guest.sh('kill -9 "$1"', String(host.pid))
      assert.notStrictEqual(kill.code, 0)
      yield* guest.sh("kill -9 -1")
      assert.isNull(host.exitCode)
      assert.isNull(host.signalCode)
      const own = yield* guest.sh("sleep 300 & kill -9 $!; wait $!; echo $?")
      assert.strictEqual(own.stdout, "137\n")
    }))

  test("the machine's first process can be neither read nor ended", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      for (const path of ["environ", "mem", "root/", "cwd/", "exe", "maps", "fd/0", "ns/mnt", "auxv", "syscall"]) {
        const read = yield* guest.sh('case $1 in */) ls "/proc/1/$1" ;; *) head -c 1 "/proc/1/$1" ;; esac', path)
        assert.notStrictEqual(read.code, 0, `/proc/1/${path} can be read`)
      }
      yield* guest.sh("kill -9 1; kill -15 1; kill -1 1; kill -2 1; kill -17 1")
      expectOk(yield* guest.sh("true"))
      assert.strictEqual((yield* guest.sh("head -c 4 /proc/self/exe")).code, 0)
    }))

  test("nothing of the host's hangs on the machine's first process", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const state = JSON.parse((yield* runner.call(["machine", "status", "--name", guest.name, "--json"])).stdout)
      const pid: number = state.pid
      const targets = Fs.readdirSync(`/proc/${pid}/fd`).map((name) => Fs.readlinkSync(`/proc/${pid}/fd/${name}`))
      assert.deepStrictEqual([...new Set(targets)].sort(), ["/dev/null", "/tmp/s/ctl/wait"])
      assert.strictEqual(Fs.readlinkSync(`/proc/${pid}/cwd`), "/")
      assert.notInclude(Fs.readFileSync(`/proc/${pid}/mountinfo`, "utf8"), ".old")
      assert.deepStrictEqual(Fs.readdirSync(`/proc/${pid}/root/dev/.old`), [])
    }))

  test("a command has its three streams and no other descriptor", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const list = 'for f in /proc/self/fd/*; do echo "${f##*/} $(readlink $f)"; done'
      const plain = yield* guest.exec(["/usr/bin/env", "-i", "/bin/ls", "/proc/self/fd"])
      assert.deepStrictEqual(plain.stdout.trim().split("\n"), ["0", "1", "2", "3"])
      assert.match((yield* guest.exec(["/bin/ls", "-l", "/proc/self/fd/0"])).stdout, /-> \/dev\/null/)
      const fed = yield* guest.exec(["/bin/sh", "-c", list], { flags: ["-i"], stdin: "x" })
      assert.notInclude(fed.stdout, runner.directory)
      assert.notMatch(fed.stdout, /\/(root|home|work|var|state)/)
    }))

  test(
    "what the caller of the program left open is not passed on",
    (runner) =>
      Effect.gen(function* () {
        const [program = "", ...first] = runner.words
        if (first.length === 0) return
        const guest = yield* machine(runner)
        const secret = Path.join(runner.directory, "open")
        Fs.writeFileSync(secret, "secret")
        const call = ["machine", "exec", "--name", guest.name, "--", "/bin/ls", "-l", "/proc/self/fd"]
        const open = 'exec 5<"$1" 99<"$1" 200<"$1"; shift; exec "$@"'
        const result = yield* Effect.orDie(
          Capture.capture({
            program: "/bin/bash",
            args: ["-c", open, "bash", secret, program, ...first, ...call],
            env: runner.env,
            cwd: "/"
          })
        )
        assert.include(Capture.stdoutText(result), " 2 -> ")
        assert.notMatch(Capture.stdoutText(result), / (5|99|200) -> /)
        const restarted = yield* machine(runner)
        const again = ["machine", "stop", "--name", restarted.name]
        expectOk(yield* runner.call(again))
        yield* Effect.orDie(
          Capture.capture({
            program: "/bin/bash",
            args: ["-c", open, "bash", secret, program, ...first, "machine", "start", "--name", restarted.name],
            env: runner.env,
            cwd: "/"
          })
        )
        assert.strictEqual((yield* restarted.sh("ls /proc/1/fd")).stdout, "0\n1\n2\n")
      }),
    { skip: !Fs.existsSync("/bin/bash") }
  )

  test("a terminal is the command's own, and the caller's cannot be reached", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const plain = yield* guest.sh("[ -t 0 ] || [ -t 1 ] || : </dev/tty")
      assert.notStrictEqual(plain.code, 0)
      const tty = yield* guest.exec(["/bin/sh", "-c", "[ -t 0 ] && [ -t 1 ] && : </dev/tty && ls -A /dev/pts"], {
        flags: ["-t"]
      })
      assert.strictEqual(tty.code, 0, tty.stdout)
      assert.strictEqual(tty.stdout.trim(), "ptmx")
    }))

  test(
    "no listener of the host's is reached, by address, path or abstract name, while the guest's own are",
    (runner) =>
      Effect.gen(function* () {
        const loopback = yield* listen({ host: "127.0.0.1", port: 0 })
        const everywhere = yield* listen({ host: "0.0.0.0", port: 0 })
        const path = Path.join(runner.directory, "host.sock")
        const byPath = yield* listen({ path })
        if (isRoot) Fs.chmodSync(path, 0o777)
        const abstractName = `bottle-test-${process.pid}-${runner.uid}`
        const abstract = yield* listen({ path: `\0${abstractName}` })
        const guest = yield* machine(runner)
        const addresses = Object.values(Os.networkInterfaces()).flatMap((list) =>
          (list ?? []).filter((one) => one.family === "IPv4").map((one) => one.address)
        )
        for (const where of [
          `127.0.0.1:${portOf(loopback.server)}`,
          `localhost:${portOf(loopback.server)}`,
          ...addresses.map((address) => `${address}:${portOf(everywhere.server)}`)
        ]) {
          assert.notStrictEqual((yield* connect(guest, "tcp", where)).code, 0, where)
        }
        assert.notStrictEqual((yield* connect(guest, "unix", path)).code, 0)
        assert.notStrictEqual((yield* connect(guest, "abstract", abstractName)).code, 0)
        assert.deepStrictEqual(
          [loopback, everywhere, byPath, abstract].map((one) => one.seen()),
          [0, 0, 0, 0]
        )
        const own = String.raw`
import socket, threading
for family, where in ((socket.AF_INET, ("127.0.0.1", 8080)), (socket.AF_UNIX, "/tmp/own.sock"), (socket.AF_UNIX, "\0own")):
    s = socket.socket(family); s.bind(where); s.listen(1)
    c = socket.socket(family); c.connect(where); a, _ = s.accept(); a.sendall(b"own"); print(c.recv(3).decode())
`
        assert.strictEqual((yield* guest.exec(["/usr/bin/python3", "-c", own])).stdout, "own\nown\nown\n")
      }),
    { skip: !hasPython }
  )

  test(
    "there is no route, no name server and no other interface than lo",
    (runner) =>
      Effect.gen(function* () {
        const guest = yield* machine(runner)
        assert.strictEqual((yield* guest.sh("ip route; ip -6 route show table main | grep -v '^::1'")).stdout, "")
        assert.match((yield* guest.sh("ip -o link")).stdout, /^1: lo:[^\n]*\n$/)
        assert.notStrictEqual((yield* guest.sh("getent hosts example.com")).code, 0)
        expectOk(yield* guest.sh("getent hosts localhost"))
        for (const where of ["8.8.8.8:53", "169.254.169.254:80", "1.1.1.1:443"]) {
          assert.notStrictEqual((yield* connect(guest, "tcp", where)).code, 0, where)
        }
      }),
    { skip: !hasPython }
  )

  test(
    "a mounted socket is reached, and gives nothing else of its directory",
    (runner) =>
      Effect.gen(function* () {
        const path = Path.join(runner.directory, "host.sock")
        const host = yield* listen({ path })
        // Root's machine connects as another user, and nobody gives it the socket.
        Fs.chmodSync(path, runner.uid === 0 ? 0o666 : 0o600)
        if (isRoot) Fs.chownSync(path, runner.uid, runner.uid)
        Fs.writeFileSync(Path.join(runner.directory, "secret"), "secret")
        const guest = yield* machine(runner, ["--mount-socket", `${path}:/run/proxy/p.sock`])
        assert.include((yield* connect(guest, "unix", "/run/proxy/p.sock")).stdout, "hello from the host")
        assert.strictEqual(host.seen(), 1)
        assert.strictEqual((yield* guest.sh("ls -A /run/proxy")).stdout, "p.sock\n")
        assert.notStrictEqual((yield* guest.sh("rm /run/proxy/p.sock")).code, 0)
      }),
    { skip: !hasPython }
  )

  test("machines do not see each other", (runner) =>
    Effect.gen(function* () {
      const [one, two] = yield* Effect.all([machine(runner), machine(runner)])
      expectOk(yield* one.exec(["/bin/sleep", "301"], { flags: ["-d"] }))
      expectOk(yield* one.sh("echo mine >/tmp/mine"))
      assert.notInclude((yield* two.sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")).stdout, "sleep 301")
      assert.notStrictEqual((yield* two.sh("cat /tmp/mine")).code, 0)
      assert.strictEqual((yield* one.sh("cat /tmp/mine")).stdout, "mine\n")
    }))

  test("variables that steer loaders and shells reach the guest's command only", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const flags = ["LD_PRELOAD=/nowhere/evil.so", "BASH_ENV=/nowhere/rc", "ENV=/nowhere/rc", "SHELL=/x"]
      const result = yield* guest.exec(["/usr/bin/printenv", "LD_PRELOAD"], {
        flags: flags.flatMap((flag) => ["-e", flag])
      })
      assert.strictEqual(result.stdout, "/nowhere/evil.so\n")
      // One complaint of one loader: the guest's own, of printenv.
      assert.strictEqual(result.stderr.split("evil.so").length - 1, 1, result.stderr)
      const secret = yield* guest.exec(["/bin/true"], {
        flags: ["--secret-env", "LD_PRELOAD=HOST"],
        env: { HOST: "x" }
      })
      assert.strictEqual(secret.code, 1)
      const plain = yield* guest.exec(["/usr/bin/printenv", "TOKEN"], {
        flags: ["--secret-env", "TOKEN=HOST"],
        env: { HOST: "s3cr3t" }
      })
      assert.strictEqual(plain.stdout, "s3cr3t\n")
    }))

  test("a working directory is looked up inside, links and all", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const outside = Path.join(runner.directory, "outside")
      Fs.mkdirSync(outside)
      Fs.writeFileSync(Path.join(outside, "secret"), "secret")
      if (isRoot) Fs.chownSync(outside, runner.uid, runner.uid)
      expectOk(yield* guest.sh('ln -s "$1" /tmp/link && mkdir -p /tmp/inside && echo in >/tmp/inside/f', outside))
      const led = yield* guest.exec(["/bin/cat", "secret"], { flags: ["-w", "/tmp/link"] })
      assert.notStrictEqual(led.code, 0)
      assert.notInclude(led.stdout, "secret")
      const up = yield* guest.exec(["/bin/sh", "-c", "pwd; ls -A"], { flags: ["-w", "/tmp/../../../../.."] })
      assert.include(up.stdout, "workspace")
      assert.strictEqual((yield* guest.exec(["/bin/cat", "f"], { flags: ["-w", "/tmp/inside"] })).stdout, "in\n")
    }))

  test("the caller's environment does not reach the guest", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const env = yield* guest.exec(["/usr/bin/env"], { env: { OF_THE_HOST: "x" } })
      assert.deepStrictEqual(env.stdout.trim().split("\n").sort(), [
        "HOME=/home/bottle",
        "LOGNAME=bottle",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "USER=bottle"
      ])
    }))

  test("the holder and everything outside stays unprivileged on the host", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const status = (yield* runner.call(["machine", "status", "--name", guest.name, "--json"])).stdout
      const pid: number = JSON.parse(status).pid
      const uid = /^Uid:\s+([0-9]+)\s+([0-9]+)/m.exec(Fs.readFileSync(`/proc/${pid}/status`, "utf8"))
      assert.isAbove(Number(uid?.[1]), 0)
      assert.strictEqual(uid?.[1], uid?.[2])
      assert.notInclude(Fs.readFileSync(`/proc/${pid}/uid_map`, "utf8").split(/\s+/).slice(1, -1), "0")
    }))
})
