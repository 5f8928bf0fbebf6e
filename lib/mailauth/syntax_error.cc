#include "lib/mailauth/syntax_error.h"

#include <charconv>

#include "absl/strings/cord.h"

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

constexpr char kPositionPayload[] = "dmarcate/position";
constexpr size_t kQuotedOctets = 60;

}  // namespace

absl::Status SyntaxError(size_t position, std::string_view message) {
  absl::Status status = MakeError(absl::StatusCode::kInvalidArgument,
                                  fmt::format("position {}: {}", position, message));
  // Cord's template constructor for std::string is mangled differently by g++ and clang.
  status.SetPayload(kPositionPayload, absl::Cord(ToAbsl(std::to_string(position))));
  return status;
}

int PositionOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPositionPayload);
  if (!payload.has_value()) return -1;
  const std::string digits(*payload);
  int position = -1;
  std::from_chars(digits.data(), digits.data() + digits.size(), position);
  return position;
}

std::string_view WhatOf(const absl::Status& status) {
  std::string_view message = MessageOf(status);
  const std::string place = fmt::format("position {}: ", PositionOf(status));
  if (message.starts_with(place)) message.remove_prefix(place.size());
  return message;
}

std::string Quoted(std::string_view text) {
  return fmt::format("'{}{}'", EscapeForTerminal(text.substr(0, kQuotedOctets)),
                     text.size() > kQuotedOctets ? "..." : "");
}

}  // namespace dmarcate
