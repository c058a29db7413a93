/**
 * libuv, which Node exports from its own process image.
 *
 * @module
 */

/** `UV_POLL` of `uv_handle_type`, for `uv_handle_size`. The order of that enum is part of libuv 1's ABI. */
export const UV_POLL = 8;

/** `UV_READABLE` of `enum uv_poll_event`. */
export const UV_READABLE = 1;
