// lib/mailauth/syntax_error.h
// Errors of record parsers that carry where they happened, for messages, carets and lint findings.

#ifndef DMARCATE_LIB_MAILAUTH_SYNTAX_ERROR_H_
#define DMARCATE_LIB_MAILAUTH_SYNTAX_ERROR_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace dmarcate {

// kInvalidArgument "position N: message".
absl::Status SyntaxError(size_t position, std::string_view message);
// The position, in octets from 0, or -1 if `status` has none.
int PositionOf(const absl::Status& status);
// The message without the position, for who tells that beside it.
std::string_view WhatOf(const absl::Status& status);

// "'text'", escaped for a terminal and cut to 60 octets.
std::string Quoted(std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_MAILAUTH_SYNTAX_ERROR_H_
