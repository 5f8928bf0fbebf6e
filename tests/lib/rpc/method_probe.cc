#include "tests/lib/rpc/method_probe.h"

#include <utility>

#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"

#include "lib/rpc/errors.h"

namespace dmarcate::rpc_testing {
namespace {

using google::protobuf::internal::WireFormatLite;

constexpr char kReflection[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
// grpc/reflection/v1alpha/reflection.proto, of which Debian ships no header.
constexpr int kFileContainingSymbol = 4, kListServices = 7;
constexpr int kFileDescriptorResponse = 4, kListServicesResponse = 6;

// All length-delimited values of field `number` in an encoded message.
std::vector<std::string> FieldsOf(const std::string& message, int number) {
  std::vector<std::string> out;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(message.data()),
                                            static_cast<int>(message.size()));
  while (const uint32_t tag = in.ReadTag()) {
    if (WireFormatLite::GetTagFieldNumber(tag) == number &&
        WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      uint32_t size = 0;
      std::string value;
      if (!in.ReadVarint32(&size) || !in.ReadString(&value, static_cast<int>(size))) break;
      out.push_back(std::move(value));
    } else if (!WireFormatLite::SkipField(&in, tag)) {
      break;
    }
  }
  return out;
}

std::string Field(int number, const std::string& value) {
  std::string out;
  out.push_back(static_cast<char>(number << 3 | 2));
  out.push_back(static_cast<char>(value.size()));  // below 128 here
  return out + value;
}

grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

// One message there, the first one back, and how it ended.
std::pair<std::string, grpc::Status> Exchange(const std::shared_ptr<grpc::Channel>& channel,
                                              const std::string& method,
                                              const std::string& authorization,
                                              const std::string& request) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  context.set_wait_for_ready(true);
  if (!authorization.empty()) context.AddMetadata("authorization", authorization);
  grpc::CompletionQueue queue;
  void* tag = nullptr;
  bool ok = false;
  const auto call = stub.PrepareCall(&context, method, &queue);
  const auto wait = [&] { return queue.Next(&tag, &ok) && ok; };
  std::string answer;
  grpc::Status status;
  call->StartCall(nullptr);
  if (wait()) {
    call->WriteLast(ToBuffer(request), grpc::WriteOptions(), nullptr);
    wait();
    grpc::ByteBuffer buffer;
    for (call->Read(&buffer, nullptr); wait(); call->Read(&buffer, nullptr)) {
      std::vector<grpc::Slice> slices;
      if (!answer.empty() || !buffer.Dump(&slices).ok()) continue;
      for (const grpc::Slice& slice : slices) {
        answer.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
      }
    }
  }
  call->Finish(&status, nullptr);
  wait();
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  return {answer, status};
}

}  // namespace

std::vector<std::string> ListMethods(const std::shared_ptr<grpc::Channel>& channel) {
  std::vector<std::string> out;
  const std::string listed = Exchange(channel, kReflection, "", Field(kListServices, "*")).first;
  for (const std::string& list : FieldsOf(listed, kListServicesResponse)) {
    for (const std::string& entry : FieldsOf(list, 1)) {
      const std::string service = FieldsOf(entry, 1).at(0);
      if (service.starts_with("grpc.")) continue;
      const std::string described =
          Exchange(channel, kReflection, "", Field(kFileContainingSymbol, service)).first;
      for (const std::string& files : FieldsOf(described, kFileDescriptorResponse)) {
        for (const std::string& bytes : FieldsOf(files, 1)) {
          google::protobuf::FileDescriptorProto file;
          if (!file.ParseFromString(bytes)) continue;
          for (const auto& candidate : file.service()) {
            if (file.package() + "." + candidate.name() != service) continue;
            for (const auto& method : candidate.method()) {
              out.push_back("/" + service + "/" + method.name());
            }
          }
        }
      }
    }
  }
  return out;
}

grpc::Status CallMethod(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                        const std::string& authorization) {
  return Exchange(channel, method, authorization, "").second;
}

size_t ExpectEveryMethodAuthenticates(const std::shared_ptr<grpc::Channel>& channel) {
  const std::vector<std::string> methods = ListMethods(channel);
  for (const std::string& method : methods) {
    const grpc::Status without = CallMethod(channel, method, "");
    EXPECT_EQ(without.error_code(), grpc::StatusCode::UNAUTHENTICATED) << method;
    EXPECT_EQ(ExtractError(without).reason, "TOKEN_MISSING") << method;
    const grpc::Status wrong =
        CallMethod(channel, method, "Bearer dmarcate_" + std::string(64, '0'));
    EXPECT_EQ(wrong.error_code(), grpc::StatusCode::UNAUTHENTICATED) << method;
    EXPECT_EQ(ExtractError(wrong).reason, "TOKEN_INVALID") << method;
  }
  return methods.size();
}

}  // namespace dmarcate::rpc_testing
