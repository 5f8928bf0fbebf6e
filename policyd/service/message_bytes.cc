#include "policyd/service/message_bytes.h"

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/message.h"

namespace dmarcate {

std::string DeterministicBytes(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  {
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);  // maps in the order of their keys
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

void ClearField(google::protobuf::Message& message, const std::string& field) {
  if (const auto* descriptor = message.GetDescriptor()->FindFieldByName(field)) {
    message.GetReflection()->ClearField(&message, descriptor);
  }
}

}  // namespace dmarcate
