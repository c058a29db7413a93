// Where a socket of the package stands for one of the built-in module, and where it cannot.
import type * as node from "node:dgram";
import * as ours from "dgram-ffi";

const socket = ours.createSocket("udp4");
export const asNodes: node.Socket = socket;
export const create: (
  options: node.SocketOptions,
  callback?: (message: Buffer, remote: node.RemoteInfo) => void,
) => node.Socket = ours.createSocket;
export const remote = (info: ours.RemoteInfo): node.RemoteInfo => info;
export const options = (options: ours.SocketOptions): node.SocketOptions => options;
export const bindOptions = (options: ours.BindOptions): node.BindOptions => options;
export const nodesOptions = (options: node.SocketOptions): ours.SocketOptions => options;
export const nodesBindOptions = (options: node.BindOptions): ours.BindOptions => options;
export const type = (type: node.SocketType): ours.SocketType => type;

// @ts-expect-error The other way it does not go: the built-in's socket lacks what is ours.
export const asOurs = (socket: node.Socket): ours.Socket => socket;
