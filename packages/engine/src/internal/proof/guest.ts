import { TOOLS } from "../../ProofRecord.js"

/*
 * What the guest reads: lines `ID KIND HOST PORT MILLIS PAYLOAD`, the last one `end`. KIND is `tcp`, `udp`, `self` (a
 * listener of the guest's own, dialled) or `device`; HOST may be `@gateway` or `@resolver`, which stand for what the
 * guest itself has (a gateway is a resolver too); in PAYLOAD `\r`, `\n` and `\NNN` are bytes.
 *
 * What it answers: `tool NAME`, then lines `ID MILLIS WORD REST`, the last one of an ID counts, and `end`. An ID of
 * `@gateway` or `@resolver` is followed by `/ADDRESS`.
 *
 * no REASON     it could not be sent or connected
 * open DATA     connected; what came back
 * data DATA     a datagram was answered
 * sent          a datagram was not answered
 * device NAMES  the devices that are there
 * none          the guest has no such address
 * cannot        this program cannot try it
 */

/** The guest has no program to probe with. */
export const NO_TOOL = 65

/*
 * Loading Socket, Fcntl and Errno takes three times as long as perl itself, so their numbers stand here: Linux's, on x86
 * and ARM. Elapsed time is what select says it waited.
 */
const PERL = String.raw`use strict; $|=1; $SIG{PIPE}="IGNORE"; alarm 12; my $now=0; my @live;
my %why=(111=>"refused",110=>"timeout",13=>"forbidden",1=>"forbidden",map { $_=>"unreachable" } 97,99,100,101,113);
sub word { my ($p,@w)=@_; my $t=join " ",@w; $t=~s/\r//g; $t=~s/\n/\\n/g; $t=~s/[^ -~]/?/g;
print "$p->{id} ".int($now*1000)." ".substr($t,0,1200)."\n"; close $p->{fh} if $p->{fh}; $p->{done}=1 }
sub failed { my $e=$!+0; word($_[0],"no",$why{$e}||"error $e") }
sub place { my ($a,$port)=@_; return pack("S n C4 x8",2,$port,split /\./,$a) if $a=~/^\d+(\.\d+){3}$/; return unless $a=~/^[0-9a-f:]+$/i;
my ($h,$t)=map { [split /:/] } split(/::/,$a,2); $t||=[]; pack("S n N n8 N",10,$port,0,(map hex,@$h,(0)x(8-@$h-@$t),@$t),0) }
sub dial { my ($p,$a)=@_; my $to=place($a,$p->{port}); return word($p,"no","unresolved") unless $to; delete $p->{fh};
socket($p->{fh},unpack("S",$to),$p->{udp}?2:1,0) or return failed($p); fcntl($p->{fh},4,2048);
return failed($p) unless connect($p->{fh},$to) || $!==115; $p->{state}="connect" }
sub finish { my $p=shift; $p->{udp} ? word($p,length $p->{data}?("data",$p->{data}):"sent") : word($p,"open",$p->{data}) }
for (split /\n/,$ARGV[0]) { my ($id,$kind,$host,$port,$millis,$payload)=split / /,$_,6; $payload//="";
$payload=~s/\\(r|n|[0-7]{3})/$1 eq "r"?"\r":$1 eq "n"?"\n":chr oct $1/ge;
my $p={id=>$id,udp=>$kind eq "udp",port=>$port,end=>$millis/1000,payload=>$payload,data=>""}; push @live,$p;
if ($kind eq "self") { my $l={state=>"listen",end=>$p->{end},payload=>$payload}; socket($l->{fh},2,1,0);
if (!bind($l->{fh},place("127.0.0.1",0)) || !listen($l->{fh},1)) { failed($p); next }
$p->{port}=unpack "x2 n",getsockname $l->{fh}; push @live,$l; dial($p,"127.0.0.1") }
elsif ($host=~/%/) { word($p,"cannot") }
elsif ($host=~/:/ || $host=~/^[0-9.]+$/) { dial($p,$host) }
else { $p->{pid}=open($p->{fh},"-|"); if (!defined $p->{pid}) { delete $p->{fh}; word($p,"no","unresolved"); next }
if (!$p->{pid}) { alarm 1; my (undef,undef,undef,undef,@r)=gethostbyname $host; print join ".",unpack "C4",$r[0] if @r; exit 0 }
$p->{state}="name" } }
while (@live=grep { !$_->{done} } @live) { my ($r,$w)=("",""); my $wait=30;
for my $p (@live) { if ($p->{state} eq "connect") { vec($w,fileno $p->{fh},1)=1 } else { vec($r,fileno $p->{fh},1)=1 }
my $left=$p->{end}-$now; $wait=$left<0?0:$left if $left<$wait }
my ($n,$left)=select($r,$w,undef,$wait); $now+=$wait-$left; ($r,$w)=("","") if $n<=0;
for my $p (@live) { my $f=fileno $p->{fh}; my $s=$p->{state};
if ($s eq "connect" && vec($w,$f,1)) { if (my $e=unpack "i",getsockopt($p->{fh},1,4)) { $!=$e; failed($p) }
elsif (!defined syswrite($p->{fh},$p->{payload}) && $p->{udp}) { failed($p) } else { $p->{state}="read" } }
elsif ($s eq "read" && vec($r,$f,1)) { my $d=sysread($p->{fh},$p->{data},4096,length $p->{data});
if (!defined $d) { next if $!==11; if ($p->{udp}) { failed($p) } else { finish($p) } }
elsif (!$d || $p->{udp} || length $p->{data}>1200) { finish($p) } }
elsif ($s eq "listen" && vec($r,$f,1)) { if (accept(my $c,$p->{fh})) { syswrite($c,$p->{payload}) } $p->{done}=1 }
elsif ($s eq "name" && vec($r,$f,1)) { my $a=""; sysread($p->{fh},$a,64); close $p->{fh}; delete $p->{fh}; dial($p,$a) }
elsif ($p->{end}<=$now) { kill 9,$p->{pid} if $s eq "name"; if ($s eq "listen") { $p->{done}=1 }
elsif ($s eq "read") { finish($p) } else { word($p,"no",$s eq "name"?"unresolved":"timeout") } } } }`

const PYTHON = String.raw`import errno,os,re,socket,sys,threading,time
start=time.monotonic(); lock=threading.Lock(); said=set()
UNREACHABLE=(errno.ENETUNREACH,errno.EHOSTUNREACH,errno.ENETDOWN,errno.EADDRNOTAVAIL,errno.EAFNOSUPPORT)
def word(id,*words):
    t=re.sub("[^ -~]","?"," ".join(words).replace("\r","").replace("\n","\\n"))[:1200]
    with lock:
        if id in said: return
        said.add(id); os.write(1,("%s %d %s\n"%(id,(time.monotonic()-start)*1000,t)).encode())
def why(e):
    if isinstance(e,socket.gaierror): return "unresolved"
    if isinstance(e,socket.timeout): return "timeout"
    if e.errno==errno.ECONNREFUSED: return "refused"
    if e.errno in (errno.EACCES,errno.EPERM): return "forbidden"
    return "unreachable" if e.errno in UNREACHABLE else "error %s"%e.errno
def serve(l,payload):
    try: c,_=l.accept(); c.sendall(payload); c.close()
    except OSError: pass
def probe(id,kind,host,port,seconds,payload):
    udp=kind=="udp"; data=b""
    try:
        if kind=="self":
            l=socket.socket(); l.bind(("127.0.0.1",0)); l.listen(1); host,port=l.getsockname()
            threading.Thread(target=serve,args=(l,payload),daemon=True).start()
        f,t,_,_,at=socket.getaddrinfo(host,int(port),0,socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)[0]
        s=socket.socket(f,t); s.settimeout(seconds); s.connect(at)
    except OSError as e: return word(id,"no",why(e))
    try:
        s.sendall(payload)
        while len(data)<1200:
            s.settimeout(max(.001,start+seconds-time.monotonic())); d=s.recv(4096); data+=d
            if udp or not d: break
    except socket.timeout: pass
    except OSError as e:
        if udp: return word(id,"no",why(e))
    text=data.decode("latin-1")
    word(id,*((("data",text) if data else ("sent",)) if udp else ("open",text)))
def byte(m): return {"r":"\r","n":"\n"}.get(m[1]) or chr(int(m[1],8))
all=[]
for line in sys.argv[1].split("\n"):
    if not line: continue
    id,kind,host,port,millis,payload=(line.split(" ",5)+[""])[:6]
    payload=re.sub(r"\\(r|n|[0-7]{3})",byte,payload).encode("latin-1"); seconds=int(millis)/1000
    t=threading.Thread(target=probe,args=(id,kind,host,port,seconds,payload),daemon=True); t.start(); all.append((t,id,seconds))
for t,id,seconds in all:
    t.join(max(0,start+seconds+.1-time.monotonic())); word(id,"no","timeout")
os._exit(0)`

const NODE = String.raw`const net=require("net"),dgram=require("dgram"),start=Date.now();let left=0;
const whys={ECONNREFUSED:"refused",ETIMEDOUT:"timeout",EACCES:"forbidden",EPERM:"forbidden",ENOTFOUND:"unresolved",EAI_AGAIN:"unresolved"};
const away=["ENETUNREACH","EHOSTUNREACH","ENETDOWN","EADDRNOTAVAIL","EAFNOSUPPORT"];
const why=e=>whys[e.code]||(away.includes(e.code)?"unreachable":"error "+e.code);
const probe=line=>{const [id,kind,host,port,millis,...rest]=line.split(" ");
const payload=Buffer.from(rest.join(" ").replace(/\\(r|n|[0-7]{3})/g,(_,c)=>c==="r"?"\r":c==="n"?"\n":String.fromCharCode(parseInt(c,8))),"latin1");
let done=false,open=false,data="";left+=1;
const word=(...w)=>{if(done)return;done=true;const t=w.join(" ").replace(/\r/g,"").replace(/\n/g,"\\n").replace(/[^ -~]/g,"?").slice(0,1200);
require("fs").writeSync(1,id+" "+(Date.now()-start)+" "+t+"\n");if(--left===0)process.exit(0)};
if(kind==="udp"){const s=dgram.createSocket(net.isIPv6(host)?"udp6":"udp4");
s.on("error",e=>word("no",why(e)));s.on("message",m=>word("data",m.toString("latin1")));
setTimeout(()=>word("sent"),+millis);
try{s.connect(+port,host,e=>e?word("no",why(e)):s.send(payload,e=>e&&word("no",why(e))))}catch(e){word("no",why(e))}return}
const end=()=>open?word("open",data):word("no","timeout");setTimeout(end,+millis);
const dial=(host,port)=>{const s=net.connect({host,port,allowHalfOpen:true});
s.on("connect",()=>{open=true;s.write(payload)}).on("data",d=>{data+=d.toString("latin1");if(data.length>1200)end()});
s.on("end",end).on("error",e=>open?end():word("no",why(e)))};
if(kind!=="self")return dial(host,+port);
const l=net.createServer(c=>{c.on("error",()=>{});c.end(payload)});l.on("error",e=>word("no",why(e))).listen(0,"127.0.0.1",()=>dial("127.0.0.1",l.address().port))};
for(const line of process.argv[1].split("\n"))if(line)probe(line);if(left===0)process.exit(0)`

/** The shell's own `${` would be TypeScript's, so it is written `%{`. */
const shell = (text: string): string => text.replaceAll("%{", "${")

/*
 * The programs that carry bytes and know no more, below a shell: one process or more for each probe. $1 is the program,
 * $2 the lines. What they take to be an answer of HTTP's, curl and wget ask for by themselves, so they can try no other.
 */
const LESSER = shell(String.raw`tool=$1 lines=$2; set -f; cr=$(printf '\r'); nl='
'
# Some versions of nc and wget have no limit of their own for an answer that does not come.
limited() { if [ -n "$limit" ]; then timeout "$seconds" "$@"; else "$@"; fi; }
carry() { # kind, host, port, seconds, payload; 99: this program cannot
  case $2 in *:*) at="[$2]" family=6 ;; *[!0-9.]*) at=$2 family= ;; *) at=$2 family=4 ;; esac
  url=$5; url=%{url#* }; url=%{url%% *}; path=%{5%%\\*}; path=%{path%% *}; code=0
  case $tool,$1,$5 in
    socat,tcp,*) printf "$5" | socat -t "$4" -T "$4" - "TCP$family:$at:$3,connect-timeout=$4" ;;
    socat,udp,*) printf "$5" | socat -t "$4" -T "$4" - "UDP$family:$at:$3" ;;
    nc,tcp,*) printf "$5" | limited nc -w "$4" "$2" "$3" ;;
    nc,udp,*) case $(nc -h 2>&1) in *-u*) printf "$5" | limited nc -u -w "$4" "$2" "$3" ;; *) return 99 ;; esac ;;
    bash,*) exec 3<>"/dev/$1/$2/$3" || return 1; printf "$5" >&3 || return 1
      while IFS= read -r -t "$4" line <&3; do printf '%s\n' "$line"; done; printf %s "$line" ;;
    curl,tcp,GET\ *) curl -s -i -m "$4" -x "http://$at:$3" "$url" ;;
    curl,tcp,CONNECT\ *) curl -s -i -m "$4" -p -x "http://$at:$3" "http://$url/" ;;
    curl,tcp,bottle-proof-*) curl -s -i -m "$4" --noproxy '*' "http://$at:$3/$path" || code=$?
      case $code in 5 | 6 | 7 | 28) return 1 ;; esac; return 0 ;;
    wget,tcp,GET\ *) http_proxy="http://$at:$3" limited wget -S -O - %{once:+-T $4 --tries=1} "$url" 2>&1 ;;
    wget,tcp,bottle-proof-*) limited wget -q -O - %{once:+-T $4 --tries=1} "http://$at:$3/$path" || code=$?
      case $code in 1 | 4 | 124 | 143) return 1 ;; esac; return 0 ;;
    *) return 99 ;;
  esac
}
listens() { # :PORT in hexadecimal
  for table in /proc/net/tcp /proc/net/tcp6; do
    [ ! -r "$table" ] || while IFS= read -r line; do case $line in *"$1 "*":0000 0A "*) return 0 ;; esac; done <"$table"
  done; return 1
}
serve() { # port, payload; what nc's words are for it differs from one to the next
  seconds=5
  case $tool,$(nc -h 2>&1) in
    socat,*) printf "$2" | socat -t 5 -T 5 - "TCP4-LISTEN:$1,bind=127.0.0.1,reuseaddr" ;;
    nc,*"ocal port number"* | nc,*"Local port"*) printf "$2" | limited nc -l -p "$1" ;;
    nc,*) printf "$2" | limited nc -l 127.0.0.1 "$1" ;;
  esac
}
own() { # seconds, payload: a listener of our own, dialled
  case $tool in socat | nc) ;; *) return 99 ;; esac
  port=$((20000+$$%20000)); wanted=$(printf ':%04X' "$port")
  serve "$port" "$2" >/dev/null 2>&1 & served=$!
  i=0; until listens "$wanted" || [ "$i" -ge 200 ]; do i=$((i+1)); sleep 0.01; done
  carry tcp 127.0.0.1 "$port" "$1" x; kill "$served"; return 0
}
probe() {
  seconds=$((($5+999)/1000))
  if [ "$2" = self ]; then data=$(own "$seconds" "$6" 2>/dev/null); code=$?
  else data=$(carry "$2" "$3" "$4" "$seconds" "$6" 2>/dev/null); code=$?; fi
  flat= IFS=$nl; for line in $data; do flat="$flat%{line%"$cr"}\\n"; done
  case $code,$2,$data in
    99,*) set -- "$1" cannot ;;
    *,udp,?*) set -- "$1" "data $flat" ;;
    0,udp,*) set -- "$1" sent ;;
    *,*,?*) set -- "$1" "open $flat" ;;
    0,*) set -- "$1" open ;;
    *) set -- "$1" "no failed" ;;
  esac
  printf '%s 0 %s\n' "$1" "$2"
}
once=; [ "$tool" != wget ] || case $(wget --help 2>&1) in *--tries*) once=yes ;; esac
limit=; ! timeout 5 sh -c : >/dev/null 2>&1 || limit=yes
while IFS=' ' read -r id kind host port millis payload; do
  [ -n "$id" ] || continue
  [ "$tool" != bash ] || printf '%s 0 no timeout\n' "$id"
  probe "$id" "$kind" "$host" "$port" "$millis" "$payload" &
done <<END
$lines
END
# A connection of bash's own cannot be given a time, so what hangs is ended from here.
if [ "$tool" = bash ]; then
  eval 'exec 4<> <(:)'; i=0
  while [ -n "$(jobs -rp)" ] && [ "$i" -lt 120 ]; do i=$((i+1)); read -r -t 0.05 line <&4; done
  kill -9 $(jobs -rp) 2>/dev/null
else wait; fi
exit 0`)

// The kernel gives these to every network namespace where their modules are loaded; without an address they are idle,
// and a dummy carries nothing with one.
const IDLE =
  "tunl[0-9]*|gre[0-9]*|gretap[0-9]*|erspan[0-9]*|ip_vti[0-9]*|ip6_vti[0-9]*|sit[0-9]*|ip6tnl[0-9]*|ip6gre[0-9]*|ip6gretap[0-9]*|teql[0-9]*|ifb[0-9]*|bond[0-9]*"

const SCRIPT = shell(String.raw`set -f; nl='
'
perl=$1 python=$2 node=$3 lesser=$4
unset HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy; cd /
gateways= addressed=' ' resolvers=
if [ -r /proc/net/route ]; then
  while read -r name to via rest; do
    case $via in Gateway) continue ;; esac
    addressed="$addressed$name "
    case $to,$via in
      *,00000000) ;;
      00000000,????????) h=$via; a=%{h#??????}; h=%{h%??}; b=%{h#????}; h=%{h%??}
        gateways="$gateways $((0x$a)).$((0x$b)).$((0x%{h#??})).$((0x%{h%??}))" ;;
    esac
  done </proc/net/route
fi
if [ -r /proc/net/if_inet6 ]; then
  while read -r a b c d e name; do addressed="$addressed$name "; done </proc/net/if_inet6
fi
if [ -r /etc/resolv.conf ]; then
  i=0
  while read -r word address rest || [ -n "$word" ]; do
    case $word,$i in nameserver,[012]) resolvers="$resolvers $address"; i=$((i+1)) ;; esac
  done </etc/resolv.conf
fi
# Where none is named, a libc asks its own machine.
[ -n "$resolvers" ] || resolvers=127.0.0.1
# A gateway may answer too, whoever is named.
for gateway in $gateways; do
  case " $resolvers " in *" $gateway "*) ;; *) resolvers="$resolvers $gateway" ;; esac
done
device() {
  if ! [ -r /proc/net/dev ]; then printf '%s 0 cannot\n' "$1"; return; fi
  found=
  { read -r a; read -r a
    while IFS=' :' read -r name rest; do
      case $name in lo | dummy*) continue ;; esac
      case $addressed in *" $name "*) found="$found $name"; continue ;; esac
      [ -e "/sys/class/net/$name/device" ] || case $name in ${IDLE}) continue ;; esac
      found="$found $name"
    done; } </proc/net/dev
  printf '%s 0 device%s\n' "$1" "$found"
}
lines=
while IFS=' ' read -r id kind host port millis payload; do
  case $id in end) break ;; esac
  case $kind in device) device "$id"; continue ;; esac
  case $host in
    @gateway) hosts=$gateways ;;
    @resolver) hosts=$resolvers ;;
    *) lines="$lines$id $kind $host $port $millis $payload$nl"; continue ;;
  esac
  for host in $hosts; do
    case $payload in bottle-proof-*) said=$payload/$host ;; *) said=$payload ;; esac
    lines="$lines$id/$host $kind $host $port $millis $said$nl"
  done
  [ -n "$hosts" ] || printf '%s 0 none\n' "$id"
done
for tool in ${TOOLS.join(" ")}; do
  command -v "$tool" >/dev/null 2>&1 || continue
  printf 'tool %s\n' "$tool"
  case $tool in
    perl) perl -e "$perl" "$lines" ;;
    python3) python3 -I -S -c "$python" "$lines" ;;
    node) node -e "$node" "$lines" ;;
    bash) bash -c "$lesser" bash bash "$lines" ;;
    *) sh -c "$lesser" sh "$tool" "$lines" ;;
  esac </dev/null && { printf 'end\n'; exit 0; }
done
exit ${NO_TOOL}`)

/** The guest's command: the words after `--`, the same in every launch. */
export const command: ReadonlyArray<string> = ["sh", "-c", SCRIPT, "bottle-proof", PERL, PYTHON, NODE, LESSER]
