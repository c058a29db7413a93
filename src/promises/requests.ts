/**
 * Requests that wait for their answers: retransmission, timeout, and the errors that the network reports (RFC 8085,
 * section 3.1.3).
 *
 * @module
 */
import { clearTimeout, setTimeout } from "../../ffi/runtimes/process.ts";
import { ANY, type IpVersion, LOOPBACK } from "../../ffi/wire/inet.ts";
import type { EncodedAddress } from "../../ffi/wire/sockaddr.ts";
import type { SocketEvents } from "../endpoint/events.ts";
import { endpointOf, engineOf } from "../endpoint/socket_state.ts";
import { aborted, notRunning } from "../errors/node_errors.ts";
import type { NetworkError } from "../receiving/network_error.ts";
import type { RemoteInfo } from "../receiving/types.ts";
import type { SendOptions } from "../sending/types.ts";
import type { Socket } from "../socket/socket.ts";

/**
 * A datagram: the arguments of `'message'` listeners.
 *
 * @example
 * ```ts
 * import type { Datagram } from "@dgram/ffi/promises";
 *
 * function describe([message, remote]: Datagram) {
 *   return `${message} from ${remote.address}`;
 * }
 * await socket.send("hello", port, address);
 * console.log(describe(await socket.receive())); // hello from 127.0.0.1
 * ```
 */
export type Datagram = SocketEvents["message"];

/**
 * Options of `request()`.
 *
 * @example
 * ```ts
 * import type { RequestOptions } from "@dgram/ffi/promises";
 *
 * const options: RequestOptions = { port, address, timeout: 500, retries: 2 };
 * const [answer] = await socket.request("hello", options);
 * console.log(answer.toString()); // hello
 * ```
 */
export interface RequestOptions extends SendOptions {
  /**
   * How long to wait for the answer to the first transmission, in milliseconds. Doubles with each further one. Default:
   * 1000.
   */
  timeout?: number | undefined;
  /** How often to send the message again. Default: 3, so that the promise is rejected after 15 seconds. */
  retries?: number | undefined;
  /** Whether a datagram is the answer. Default: the first one from the destination's address and port is. */
  match?: ((message: Datagram[0], remote: RemoteInfo) => boolean) | undefined;
  /** Whether the answer may come from any address, as after a broadcast or multicast. Default: false. */
  anySource?: boolean | undefined;
}

/** A request after the checks. */
export interface CheckedRequest {
  readonly message: Uint8Array;
  /** Undefined: the peer of a connected socket. */
  readonly to: { readonly address: string; readonly port: number } | undefined;
  readonly controls: SendOptions;
  readonly signal: AbortSignal | undefined;
  readonly timeout: number;
  readonly retries: number;
  readonly match: RequestOptions["match"];
  readonly anySource: boolean;
}

/** The requests of one socket. It has listeners while requests wait. */
export class Requests {
  readonly #socket: Socket;
  readonly #pending = new Set<Request>();

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Whether any request waits. */
  get areAny(): boolean {
    return this.#pending.size > 0;
  }

  /** Sends a request, and waits for its answer. */
  run(checked: CheckedRequest): Promise<Datagram> {
    return new Promise((resolve, reject) => {
      if (endpointOf(this.#socket) === undefined) return reject(notRunning());
      const request = new Request(this.#socket, checked, (error, datagram) => {
        this.#remove(request);
        if (datagram) resolve(datagram);
        else reject(error);
      });
      this.#add(request);
      request.start();
    });
  }

  #add(request: Request): void {
    this.#pending.add(request);
    if (this.#pending.size > 1) return;
    const socket = this.#socket;
    socket.on("message", this.#onMessage);
    socket.on("networkError", this.#onNetworkError);
    socket.on("error", this.#onError);
    socket.on("close", this.#onClose);
  }

  #remove(request: Request): void {
    this.#pending.delete(request);
    if (this.#pending.size > 0) return;
    const socket = this.#socket;
    socket.removeListener("message", this.#onMessage);
    socket.removeListener("networkError", this.#onNetworkError);
    socket.removeListener("error", this.#onError);
    socket.removeListener("close", this.#onClose);
  }

  /** A datagram is the answer to one request only: the first that accepts it. */
  readonly #onMessage = (message: Datagram[0], remote: RemoteInfo): void => {
    const sender = endpointOf(this.#socket)?.encode(remote.address, remote.port);
    for (const request of this.#pending) if (request.take(message, remote, sender)) return;
  };

  readonly #onNetworkError = (error: NetworkError): void => {
    if (error.address === undefined || error.port === undefined) return;
    const destination = endpointOf(this.#socket)?.encode(error.address, error.port);
    for (const request of [...this.#pending]) request.hear(error, destination);
  };

  readonly #onError = (error: Error): void => {
    for (const request of [...this.#pending]) request.fail(error);
  };

  readonly #onClose = (): void => {
    for (const request of [...this.#pending]) request.fail(notRunning());
  };
}

/** One request. */
class Request {
  readonly #socket: Socket;
  readonly #request: CheckedRequest;
  readonly #settle: (error: unknown, datagram?: Datagram) => void;
  /** The address that the answer must come from; undefined: any. */
  readonly #source: string | undefined;
  readonly #destination: string | undefined;
  /** Cancels transmissions that wait for room. */
  readonly #transmissions = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sent = 0;
  #waited = 0;
  #isOver = false;
  /** The last error that the network has reported. It may be temporary, such as a missing route. */
  #networkError: NetworkError | undefined;

  constructor(socket: Socket, request: CheckedRequest, settle: (error: unknown, datagram?: Datagram) => void) {
    this.#socket = socket;
    this.#request = request;
    this.#settle = settle;
    const endpoint = endpointOf(socket)!;
    const { to, anySource } = request;
    const version = endpoint.family as IpVersion;
    const peer = to ?? endpoint.remoteAddress();
    if (typeof peer !== "number") {
      const address = peer.address === ANY[version] ? LOOPBACK[version] : peer.address;
      this.#destination = textOf(endpoint.encode(address, peer.port));
    }
    this.#source = anySource ? undefined : this.#destination;
  }

  start(): void {
    try {
      this.#request.signal?.addEventListener("abort", this.#abort);
    } catch (error) {
      // An object that is only like a signal may throw.
      return this.fail(error);
    }
    this.#transmit();
  }

  /** Called for each datagram. @returns Whether it is the answer. */
  take(message: Datagram[0], remote: RemoteInfo, sender: EncodedAddress | undefined): boolean {
    if (this.#source !== undefined && textOf(sender) !== this.#source) return false;
    const { match } = this.#request;
    try {
      if (match && !match(message, remote)) return false;
    } catch (error) {
      this.fail(error);
    }
    // The program may have ended it just now.
    if (this.#isOver) return false;
    this.#end(undefined, [message, remote]);
    return true;
  }

  /**
   * Called when the network reports that a datagram did not arrive. A refused port fails the request, as no socket is
   * bound to it. A router's error may be temporary.
   */
  hear(error: NetworkError, destination: EncodedAddress | undefined): void {
    if (this.#destination === undefined || textOf(destination) !== this.#destination) return;
    this.#networkError = error;
    if (error.code === "ECONNREFUSED") this.fail(this.#errorOf(-error.errno, error));
  }

  fail(error: unknown): void {
    this.#end(error);
  }

  #transmit(): void {
    const { message, to, controls, timeout, retries } = this.#request;
    const delay = timeout * 2 ** this.#sent++;
    this.#timer = setTimeout(() => {
      this.#waited += delay;
      if (this.#sent <= retries) this.#transmit();
      else this.fail(this.#timedOut());
    }, Math.min(delay, MAX_DELAY));
    const { signal } = this.#transmissions;
    try {
      this.#socket.sendMany([{ ...controls, message, ...to }], { signal }, (error) => {
        if (error) this.fail(endpointOf(this.#socket) ? error : notRunning());
      });
    } catch (error) {
      this.fail(error);
    }
  }

  #timedOut(): Error {
    const { ETIMEDOUT } = engineOf(this.#socket).runtime.libc.abi.errno;
    const error = this.#errorOf(ETIMEDOUT, this.#networkError);
    error.message += `: no answer to ${this.#sent} transmission${this.#sent > 1 ? "s" : ""} in ${this.#waited} ms`;
    return error;
  }

  #errorOf(errno: number, cause: NetworkError | undefined): Error {
    const { to } = this.#request;
    const error = engineOf(this.#socket).errors.ofAddress(errno, "request", to?.address, to?.port);
    return cause ? Object.assign(error, { cause }) : error;
  }

  readonly #abort = (): void => {
    this.fail(aborted(this.#request.signal!));
  };

  #end(error: unknown, datagram?: Datagram): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#settle(error, datagram);
    this.#transmissions.abort();
    this.#request.signal?.removeEventListener("abort", this.#abort);
  }
}

/** The longest delay of a timer. */
const MAX_DELAY = 2 ** 31 - 1;

function textOf(address: EncodedAddress | undefined): string | undefined {
  return address && String.fromCharCode(...address);
}
