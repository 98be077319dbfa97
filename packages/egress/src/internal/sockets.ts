import type * as Net from "node:net"

/**
 * Cuts a connection so that the other side sees that it was cut, where the transport can say so: the end of a stream
 * that is not whole must not look like its end.
 */
export const cut = (socket: Net.Socket): void => {
  if (socket.destroyed) return
  // A Unix socket knows no reset, and TLS says by itself that an end is one.
  if (socket.remoteAddress === undefined || "encrypted" in socket) socket.destroy()
  else socket.resetAndDestroy()
}
