// lib/store/sealed_message.h
// A message of dmarcate.storage.v1 as a value of the policy database: serialized so that equal
// messages give equal bytes, and sealed with its key (envelope.h). Times are microseconds.

#ifndef DMARCATE_LIB_STORE_SEALED_MESSAGE_H_
#define DMARCATE_LIB_STORE_SEALED_MESSAGE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace google::protobuf {
class MessageLite;
}

namespace dmarcate {

std::string SealMessage(std::string_view key, const google::protobuf::MessageLite& message);
// kDataLoss, kFailedPrecondition as Unseal().
absl::Status UnsealMessage(std::string_view key, std::string_view value,
                           google::protobuf::MessageLite* message);
// kDataLoss: what is under `key` parses, and says something that cannot be.
absl::Status DoesNotDecode(std::string_view key);

int64_t ToStoredTime(absl::Time time);
absl::Time FromStoredTime(int64_t micros);  // the infinities come back as such

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_SEALED_MESSAGE_H_
