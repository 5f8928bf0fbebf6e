// policyd/service/message_bytes.h
// Messages as bytes to compare: equal messages, equal bytes.

#ifndef DMARCATE_POLICYD_SERVICE_MESSAGE_BYTES_H_
#define DMARCATE_POLICYD_SERVICE_MESSAGE_BYTES_H_

#include <string>

namespace google::protobuf {
class Message;
}

namespace dmarcate {

std::string DeterministicBytes(const google::protobuf::Message& message);
// Nothing if the message has no such field.
void ClearField(google::protobuf::Message& message, const std::string& field);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_MESSAGE_BYTES_H_
