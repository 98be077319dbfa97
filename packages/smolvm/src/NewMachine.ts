/**
 * What `machine create` and `machine run` take alike of the machine that they make.
 *
 * @since 0.1.0
 */
import * as Subcommand from "./Subcommand.js"
import * as Value from "./Value.js"

/**
 * The size of a new machine, its network, and what of the host it is given.
 *
 * @since 0.1.0
 * @category models
 */
export interface NewMachineOptions {
  /** The image to boot; excludes `from`. Local archives and directories from 1.1.0. */
  readonly image?: string | undefined
  /** The Smolfile that describes the machine; excludes `from`. An `image` given beside it wins. */
  readonly smolfile?: string | undefined
  /** Virtual processors, 1 to 255; smolvm's own default is 4, and 4 does not override the number of a pack or a Smolfile. */
  readonly cpus?: number | undefined
  /** Memory in MiB, at least 64; smolvm's own default is 8192, and 8192 does not override that of a pack or a Smolfile. */
  readonly memMib?: number | undefined
  /** Size of the machine's storage in GiB, at least 1; smolvm's own default is 20, sparse. */
  readonly storageGib?: number | undefined
  /** Size of the writable layer in GiB, at least 1; smolvm's own default is 10, sparse. */
  readonly overlayGib?: number | undefined
  /** The largest image that is taken, in bytes, from 1.2.0. */
  readonly maxImageBytes?: number | undefined
  /** The network backend. Without it smolvm chooses: TSI, and virtio-net for what needs it (from 1.0.4). */
  readonly netBackend?: "tsi" | "virtio-net" | undefined
  /** The IPv4 address of the resolver to use, from 1.2.5; asks for a network. It permits nothing by itself. */
  readonly dns?: string | undefined
  /** The network to join, whose machines reach each other, from 1.8.3. It keeps nothing from the internet. */
  readonly network?: string | undefined
  /**
   * Addresses and networks that the machine may reach; leaves names resolvable (DNS open). Before 1.1.3 held only with
   * `netBackend: "virtio-net"`, and before 1.0.2 not at all, as `dropped` tells.
   */
  readonly allowCidrs?: ReadonlyArray<string> | undefined
  /** Hosts that the machine may reach; with an address literal, that address and no DNS. Held as `allowCidrs` are. */
  readonly allowHosts?: ReadonlyArray<string> | undefined
  /** Lets the machine reach 127.0.0.0/8 and ::1 only, which on virtio-net are the guest's own. */
  readonly outboundLocalhostOnly?: boolean | undefined
  /** The SOCKS5 listener of the host through which all TCP and DNS goes: `socks5://127.0.0.1:1080`. On no known release. */
  readonly egressProxy?: string | undefined
  /** Ports of the host, on its loopback, that lead to ports of the guest; TCP. */
  readonly ports?: ReadonlyArray<Value.Ports> | undefined
  /** Offers CUDA in the guest, from 1.3.2. */
  readonly cuda?: boolean | undefined
  /** smolvm's `--auto-graph`, for CUDA, from 1.7.2. */
  readonly autoGraph?: boolean | undefined
  /** Offers a docker socket in the guest, from 1.6.0. */
  readonly dockerSocket?: boolean | undefined
}

/** With what else stands among them in an argv, and is documented by each subcommand itself. */
interface Written extends NewMachineOptions {
  readonly from?: string | undefined
  readonly gpuVramMib?: number | undefined
  readonly net?: boolean | undefined
}

const { flag, list, value } = Subcommand.builders<Written>()

/**
 * What the machine is made of.
 *
 * @since 0.1.0
 * @category constants
 */
export const source: ReadonlyArray<Subcommand.Option> = [
  value("image", "--image", Value.Text),
  value("from", "--from", Value.Text),
  value("smolfile", "--smolfile", Value.Text)
]

/**
 * How large it is.
 *
 * @since 0.1.0
 * @category constants
 */
export const sizes: ReadonlyArray<Subcommand.Option> = [
  value("cpus", "--cpus", Value.Cpus),
  value("memMib", "--mem", Value.MemMib),
  value("storageGib", "--storage", Value.Size),
  value("overlayGib", "--overlay", Value.Size),
  value("gpuVramMib", "--gpu-vram", Value.Positive),
  value("maxImageBytes", "--max-image-size", Value.ByteCount)
]

/**
 * Its network.
 *
 * @since 0.1.0
 * @category constants
 */
export const network: ReadonlyArray<Subcommand.Option> = [
  flag("net", "--net"),
  value("netBackend", "--net-backend", Value.NetBackend),
  value("dns", "--dns", Value.Ipv4),
  value("network", "--network", Value.Text),
  list("allowCidrs", "--allow-cidr", Value.Cidr),
  list("allowHosts", "--allow-host", Value.HostName),
  flag("outboundLocalhostOnly", "--outbound-localhost-only"),
  value("egressProxy", "--egress-proxy", Value.SocksUrl),
  list("ports", "--port", Value.Ports, "-p")
]
