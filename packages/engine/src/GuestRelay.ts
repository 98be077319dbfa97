/**
 * The relay inside a guest: it listens on the guest's own loopback and carries every connection to the mounted socket,
 * whose other end is the bottle's proxy.
 *
 * The guest brings the program (socat, node, python3 or perl, the first that is there); the engine brings the words.
 * One POSIX shell script finds the program, starts it in the background and returns once the port listens, so that a
 * relay costs one exec and its argv is known before the launch.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The port on the guest's 127.0.0.1 where the relay listens, and where every proxy variable points.
 *
 * @since 0.1.0
 * @category models
 */
export const GUEST_PORT = 3128

/**
 * Where the proxy's socket is mounted in the guest. Outside of any volume, as smolvm below 1.8.0 needs it, and not in
 * `/tmp`, over which smolvm from 1.7.3 may lay a tmpfs after the mount.
 *
 * @since 0.1.0
 * @category models
 */
export const GUEST_SOCKET = "/run/bottle-egress.sock"

/**
 * The programs that can be a relay, in the order in which they are looked for.
 *
 * @since 0.1.0
 * @category models
 */
export const PROGRAMS = ["socat", "node", "python3", "perl"] as const

/**
 * One of `PROGRAMS`.
 *
 * @since 0.1.0
 * @category models
 */
export const RelayProgram = Schema.Literal(...PROGRAMS)

/**
 * @since 0.1.0
 * @category models
 */
export type RelayProgram = typeof RelayProgram.Type

/**
 * Exit codes of the script, each with what it says.
 *
 * @since 0.1.0
 * @category models
 */
export const ExitCode = { noProgram: 65, noSocket: 66, portTaken: 67, notListening: 68 } as const

// Half-open on both sides: a client that has sent all it has still waits for its answer.
const NODE = `const net=require("net"),[port,path]=process.argv.slice(1);
net.createServer({allowHalfOpen:true},c=>{const u=net.connect({path,allowHalfOpen:true});
const end=()=>{c.destroy();u.destroy()};c.on("error",end);u.on("error",end);c.pipe(u);u.pipe(c)}).listen(+port,"127.0.0.1")`

const PYTHON = `import socket,sys,threading
def pump(a,b):
    try:
        while True:
            d=a.recv(65536)
            if not d: break
            b.sendall(d)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        for s in (a,b):
            try: s.shutdown(socket.SHUT_RDWR)
            except OSError: pass
def serve(c):
    u=socket.socket(socket.AF_UNIX)
    try:
        u.connect(sys.argv[2])
        t=threading.Thread(target=pump,args=(u,c),daemon=True); t.start(); pump(c,u); t.join()
    except OSError: pass
    finally: c.close(); u.close()
l=socket.socket(); l.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1); l.bind(("127.0.0.1",int(sys.argv[1]))); l.listen(128)
while True: threading.Thread(target=serve,args=(l.accept()[0],),daemon=True).start()`

const PERL = `use strict; use IO::Socket::INET; use IO::Socket::UNIX; use Socket qw(SHUT_WR); $SIG{CHLD}="IGNORE"; $SIG{PIPE}="IGNORE";
my ($port,$path)=@ARGV; my $l=IO::Socket::INET->new(LocalAddr=>"127.0.0.1",LocalPort=>$port,Listen=>128,ReuseAddr=>1) or exit 1;
sub pump { my ($a,$b)=@_; my $d; while (sysread($a,$d,65536)) { my $o=0; while ($o<length $d) { my $n=syswrite($b,$d,length($d)-$o,$o); return unless $n; $o+=$n } } shutdown($b,SHUT_WR) }
while (1) { my $c=$l->accept or next; my $p=fork; next unless defined $p; if ($p) { close $c; next }
close $l; my $u=IO::Socket::UNIX->new(Peer=>$path) or exit 1; my $q=fork; exit 1 unless defined $q; if ($q) { pump($c,$u); waitpid $q,0 } else { pump($u,$c) } exit 0 }`

// $1 port, $2 socket, $3 how often to look, $4 $5 $6 the programs' words. Only builtins and sleep besides the relay itself.
const SCRIPT = `port=$1 socket=$2 tries=$3 node=$4 python=$5 perl=$6
wanted=$(printf ':%04X 00000000:0000 0A' "$port")
listening() { while IFS= read -r line; do case $line in *"$wanted"*) return 0 ;; esac; done </proc/net/tcp; return 1; }
pause() { sleep 0.01 2>/dev/null || sleep 1; }
i=0; while [ ! -S "$socket" ]; do i=$((i+1)); [ "$i" -lt "$tries" ] || exit ${ExitCode.noSocket}; pause; done
if listening; then exit ${ExitCode.portTaken}; fi
for program in ${PROGRAMS.join(" ")}; do command -v "$program" >/dev/null 2>&1 && break; program=; done
[ -n "$program" ] || exit ${ExitCode.noProgram}
unset HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy
case $program in
  socat) set -- socat -t 3600 "TCP-LISTEN:$port,bind=127.0.0.1,fork,reuseaddr,backlog=128" "UNIX-CONNECT:$socket" ;;
  node) set -- node -e "$node" "$port" "$socket" ;;
  python3) set -- python3 -c "$python" "$port" "$socket" ;;
  perl) set -- perl -e "$perl" "$port" "$socket" ;;
esac
cd /; trap '' HUP; "$@" </dev/null >/dev/null 2>&1 &
i=0; until listening; do i=$((i+1)); [ "$i" -lt "$tries" ] || exit ${ExitCode.notListening}; pause; done
printf %s "$program"`

/** 10 seconds where the guest's sleep takes fractions of one. */
const TRIES_MAX = 1000

/**
 * What a relay is told.
 *
 * @since 0.1.0
 * @category models
 */
export interface RelayOptions {
  readonly port: number
  readonly socket: string
  /** How often to look for the socket, and then for the listener, 10 milliseconds apart. */
  readonly triesMax: number
}

/**
 * The guest's command that starts a relay and prints the program's name: the words after `--` of one exec. It ends by
 * itself.
 *
 * @since 0.1.0
 * @category argv
 */
export const commandFor = (options: RelayOptions): ReadonlyArray<string> => [
  "sh",
  "-c",
  SCRIPT,
  "bottle-relay",
  String(options.port),
  options.socket,
  String(options.triesMax),
  NODE,
  PYTHON,
  PERL
]

/**
 * The command of every launch.
 *
 * @since 0.1.0
 * @category argv
 */
export const command: ReadonlyArray<string> = commandFor({
  port: GUEST_PORT,
  socket: GUEST_SOCKET,
  triesMax: TRIES_MAX
})

const LOOPBACK = "localhost,127.0.0.1,::1"

const variables = (proxyUrl: string, noProxy: string): ReadonlyArray<readonly [name: string, value: string]> => [
  ["HTTP_PROXY", proxyUrl],
  ["HTTPS_PROXY", proxyUrl],
  ["ALL_PROXY", proxyUrl],
  ["NO_PROXY", noProxy],
  ["http_proxy", proxyUrl],
  ["https_proxy", proxyUrl],
  ["all_proxy", proxyUrl],
  ["no_proxy", noProxy],
  ["NODE_USE_ENV_PROXY", "1"]
]

/**
 * The variables that send a guest's programs through the relay: every proxy variable in both cases, the guest's own
 * loopback excepted. `NODE_USE_ENV_PROXY` makes Node 24's own `fetch` heed them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const environment: ReadonlyArray<readonly [name: string, value: string]> = variables(
  `http://127.0.0.1:${GUEST_PORT}`,
  LOOPBACK
)

/**
 * The same variables for a guest that reaches its bundle by an address, without a relay. The address itself is excepted
 * too: its other services are not to be asked for through its proxy.
 *
 * @since 0.1.0
 * @category constructors
 */
export const environmentAt = (address: string, port: number): ReadonlyArray<readonly [name: string, value: string]> =>
  variables(`http://${address}:${port}`, `${LOOPBACK},${address}`)
