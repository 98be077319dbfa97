/**
 * The environment of the docker client: what it needs to find the daemon, and nothing that changes what it does.
 *
 * @since 0.1.0
 */

/**
 * The variables that the client gets from the host's environment, by name. All others are left out: a default platform,
 * content trust or another builder would change what a call means, and the rest is none of the client's business.
 *
 * - how the daemon is found: `DOCKER_*` as listed, `CONTAINER_HOST` for podman
 * - where the client's own files are: `HOME`, `XDG_*`, `TMPDIR`
 * - what a daemon behind `ssh://` needs: `SSH_AUTH_SOCK`, `USER`, `LOGNAME`
 *
 * @since 0.1.0
 * @category constants
 */
export const passed: ReadonlyArray<string> = [
  "DOCKER_HOST",
  "DOCKER_CONTEXT",
  "DOCKER_CONFIG",
  "DOCKER_TLS_VERIFY",
  "DOCKER_CERT_PATH",
  "DOCKER_API_VERSION",
  "CONTAINER_HOST",
  "PATH",
  "HOME",
  "XDG_RUNTIME_DIR",
  "XDG_CONFIG_HOME",
  "XDG_DATA_HOME",
  "TMPDIR",
  "SSH_AUTH_SOCK",
  "USER",
  "LOGNAME"
]

/**
 * The variables of `passed`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const scrub = (variables: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(variables).filter(([name]) => passed.includes(name)))

/**
 * Whether a variable of the client's environment changes what the client does, or how it is loaded, so that a secret for
 * a container cannot go by that name. Without regard to case.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isReadByClient = (name: string): boolean =>
  families.test(name) || singles.test(name) || passed.includes(name.toUpperCase())

// docker's and podman's own, telemetry, the loader and libc, certificates, and the proxies of their HTTP client.
const families =
  /^(?:DOCKER|MOBY|BUILDKIT|BUILDX|_?CONTAINERS?|PODMAN|OTEL|XDG|LD|GLIBC|MALLOC|LC|SSL_CERT|DBUS)_|^(?:ALL|FTP|HTTPS?|NO)_PROXY$/i

// podman's, Go's, ssh's, and those of any program.
const singles =
  /^(?:REGISTRY_AUTH_FILE|STORAGE_DRIVER|STORAGE_OPTS|GO(?:DEBUG|GC|MAXPROCS|MEMLIMIT|ROOT|TRACEBACK)|SSH_ASKPASS|LANG|LANGUAGE|TERM|NO_COLOR|SHELL|RES_OPTIONS|LOCALDOMAIN|HOSTALIASES|NOTIFY_SOCKET)$/i
