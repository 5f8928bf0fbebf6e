// tests/lib/rpc/method_probe.h
// Asks a running server by reflection for all its methods and calls each one, whatever its type.
// For the test that no handler forgets to authenticate.

#ifndef DMARCATE_TESTS_LIB_RPC_METHOD_PROBE_H_
#define DMARCATE_TESTS_LIB_RPC_METHOD_PROBE_H_

#include <memory>
#include <string>
#include <vector>

#include "grpcpp/channel.h"
#include "grpcpp/support/status.h"

namespace dmarcate::rpc_testing {

// "/dmarcate.v1.IntakeService/SubmitReport", ... without those of health and reflection, which need
// no credentials. Empty if reflection does not answer.
std::vector<std::string> ListMethods(const std::shared_ptr<grpc::Channel>& channel);

// Calls `method` with one empty message; `authorization` goes along unless it is empty.
grpc::Status CallMethod(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                        const std::string& authorization);

// Adds a test failure for every method that answers anything but UNAUTHENTICATED TOKEN_MISSING
// without a token and TOKEN_INVALID with a wrong one. Returns how many methods were tried.
size_t ExpectEveryMethodAuthenticates(const std::shared_ptr<grpc::Channel>& channel);

}  // namespace dmarcate::rpc_testing

#endif  // DMARCATE_TESTS_LIB_RPC_METHOD_PROBE_H_
