/** Loaded before tests and their children: the module then takes the system for a Mac, and its C library is the one of this folder. */
import process from "node:process";

Object.defineProperty(process, "platform", { value: "darwin" });
