#include "lib/store/sealed_message.h"

#include <limits>

#include "fmt/format.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/message_lite.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/store/envelope.h"

namespace dmarcate {
namespace {

constexpr uint8_t kFormat = 1;

}  // namespace

std::string SealMessage(std::string_view key, const google::protobuf::MessageLite& message) {
  std::string payload;
  {
    google::protobuf::io::StringOutputStream stream(&payload);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);                  // maps by key
    static_cast<void>(message.SerializeToCodedStream(&out));  // fails above 2 GiB only
  }
  return Seal(key, kFormat, payload);
}

absl::Status DoesNotDecode(std::string_view key) {
  return MakeError(absl::StatusCode::kDataLoss,
                   fmt::format("policy store: the value of key {} does not decode", ToHex(key)));
}

absl::Status UnsealMessage(std::string_view key, std::string_view value,
                           google::protobuf::MessageLite* message) {
  const auto payload = Unseal(key, kFormat, value);
  if (!payload.ok()) {
    return Annotate(payload.status(), fmt::format("policy store: key {}", ToHex(key)));
  }
  if (!message->ParseFromArray(payload->data(), static_cast<int>(payload->size()))) {
    return DoesNotDecode(key);
  }
  return absl::OkStatus();
}

int64_t ToStoredTime(absl::Time time) { return absl::ToUnixMicros(time); }

absl::Time FromStoredTime(int64_t micros) {
  if (micros == std::numeric_limits<int64_t>::min()) return absl::InfinitePast();
  if (micros == std::numeric_limits<int64_t>::max()) return absl::InfiniteFuture();
  return absl::FromUnixMicros(micros);
}

}  // namespace dmarcate
