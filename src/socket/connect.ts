/**
 * Connecting a UDP socket: connect(2), after binding and the lookup.
 *
 * @module
 */
import { nextTick } from "../../ffi/runtimes/process.ts";
import { LOOPBACK } from "../../ffi/wire/inet.ts";
import { emitIfOpen, runningUdpEndpoint } from "../endpoint/socket_state.ts";
import type { UdpEndpoint } from "../endpoint/udp_endpoint.ts";
import { alreadyBound, isConnected } from "../errors/node_errors.ts";
import { validateIp, validatePort, validateString } from "../errors/validate.ts";
import { addressText, resolve } from "../integration/lookup.ts";
import { bindIfUnbound, bindSync, enqueue } from "./bind.ts";
import { type UdpSocket, udpStateOf } from "./state.ts";

type ConnectCallback = (error?: Error) => void;

/** See {@linkcode Socket.connect}. */
export function connect(socket: UdpSocket, port: unknown, address: unknown, callback: unknown): void {
  const state = udpStateOf(socket);
  const validPort = validatePort(port, "Port");
  if (typeof address === "function") [callback, address] = [address, ""];
  else if (address === undefined) address = "";
  validateString(address, "address");
  if (state.connectState !== "disconnected") throw isConnected();
  runningUdpEndpoint(socket);
  state.connectState = "connecting";
  const target = address;
  const resolveAndConnect = (): void => {
    resetIfItThrows(socket, () => lookUpAndConnect(socket, validPort, target, callback as ConnectCallback | undefined));
  };
  resetIfItThrows(socket, () => bindIfUnbound(socket));
  if (state.bindState === "bound") resolveAndConnect();
  else enqueue(socket, resolveAndConnect);
}

/** See {@linkcode Socket.connectSync}. */
export function connectSync(socket: UdpSocket, port: unknown, address: unknown): void {
  const endpoint = runningUdpEndpoint(socket);
  const state = udpStateOf(socket);
  const validPort = validatePort(port, "Port");
  if (state.connectState !== "disconnected") throw isConnected();
  if (address !== undefined && address !== null) validateString(address, "address");
  if (address) validateIp(address, "address", "connectSync");
  if (state.bindState === "binding") throw alreadyBound();
  if (state.bindState === "unbound") bindSync(socket, {});
  const failure = connectNow(socket, endpoint, address || LOOPBACK[endpoint.version], validPort, address);
  if (failure) throw failure;
  state.connectState = "connected";
  nextTick(emitIfOpen, socket, "connect");
}

/** If the action throws before the lookup has answered, the socket is disconnected again. */
function resetIfItThrows(socket: UdpSocket, action: () => void): void {
  try {
    action();
  } catch (error) {
    const state = udpStateOf(socket);
    if (state.connectState === "connecting") state.connectState = "disconnected";
    throw error;
  }
}

function lookUpAndConnect(
  socket: UdpSocket,
  port: number,
  address: string,
  callback: ConnectCallback | undefined,
): void {
  const endpoint = runningUdpEndpoint(socket);
  const state = udpStateOf(socket);
  if (callback) socket.once("connect", callback);
  let answered = false;
  try {
    resolve(state.options.lookup, endpoint.version, address, (error, ip) => {
      answered = true;
      if (state.endpoint !== endpoint) return;
      const failure = error ?? connectNow(socket, endpoint, ip, port, address);
      state.connectState = failure ? "disconnected" : "connected";
      nextTick(() => {
        if (!failure) return emitIfOpen(socket, "connect");
        if (!callback) return socket.emit("error", failure);
        socket.removeListener("connect", callback);
        callback(failure);
      });
    });
  } catch (error) {
    if (!answered && callback) socket.removeListener("connect", callback);
    throw error;
  }
}

/**
 * @param ip The lookup's answer, of any type.
 * @param given The address as the caller wrote it, for the error.
 * @returns The error, if it fails.
 */
function connectNow(
  socket: UdpSocket,
  endpoint: UdpEndpoint,
  ip: unknown,
  port: number,
  given: unknown,
): Error | undefined {
  const { engine, policy } = udpStateOf(socket);
  try {
    const address = addressText(ip);
    const refusal = policy.blocked(address) ?? policy.refused(address, port);
    if (refusal) return refusal;
    const result = endpoint.connect(address, port);
    return result < 0 ? engine.errors.ofAddress(-result, "connect", given, port) : undefined;
  } catch (error) {
    return error as Error;
  }
}
