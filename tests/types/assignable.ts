// Where what the package has stands for what the built-in module has, and where it cannot.
import type * as node from "node:dgram";
import * as ours from "dgram-ffi";

const socket = ours.createSocket("udp4");
export const asNodes: node.Socket = socket;
export const create: (
  options: node.SocketOptions,
  callback?: (message: Buffer, remote: node.RemoteInfo) => void,
) => node.Socket = ours.createSocket;
export const createSocket: typeof node.createSocket = ours.createSocket;
export const remote = (info: ours.RemoteInfo): node.RemoteInfo => info;
export const options = (options: ours.SocketOptions): node.SocketOptions => options;
export const bindOptions = (options: ours.BindOptions): node.BindOptions => options;
export const events = (events: ours.SocketEvents): node.SocketEventMap => events;
export const nodesRemote = (info: node.RemoteInfo): ours.RemoteInfo => info;
export const nodesOptions = (options: node.SocketOptions): ours.SocketOptions => options;
export const nodesBindOptions = (options: node.BindOptions): ours.BindOptions => options;
export const type = (type: node.SocketType): ours.SocketType => type;

// The list of what cannot be.

// @ts-expect-error Node's class takes the options of createSocket(), but @types/node has it take nothing.
export const socketClass: typeof node.Socket = ours.Socket;

// @ts-expect-error So the modules as a whole differ in that one point.
export const module: { Socket: typeof node.Socket; createSocket: typeof node.createSocket } = ours.default;

// @ts-expect-error A Unix socket has paths for addresses, and no groups.
export const unix: node.Socket = ours.createSocket("unix_dgram");

// @ts-expect-error Listeners for all events have some more to expect than those of the built-in.
export const nodesEvents = (events: node.SocketEventMap): ours.SocketEvents => events;

// @ts-expect-error The other way it does not go: the built-in's socket lacks what is ours.
export const asOurs = (socket: node.Socket): ours.Socket => socket;
