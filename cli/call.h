// cli/call.h
// One unary call with deadline and credentials. For .cc files of commands only: it brings in gRPC.

#ifndef DMARCATE_CLI_CALL_H_
#define DMARCATE_CLI_CALL_H_

#include <string>

#include <CLI/CLI.hpp>
#include <grpcpp/grpcpp.h>

#include "cli/app.h"
#include "cli/waiting.h"

namespace dmarcate::cli {

inline constexpr absl::Duration kCallTimeout = absl::Seconds(30);

template <typename Stub, typename Request, typename Response>
grpc::Status Call(App* app, Stub& stub,
                  grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const Request& request, Response* response,
                  App::Daemon daemon = App::Daemon::kPolicyd,
                  absl::Duration timeout = kCallTimeout) {
  grpc::ClientContext context;
  app->Prepare(&context, daemon, timeout);
  // What a failure's next step is about.
  if constexpr (requires { std::string(request.name()); }) {
    app->AskAbout(request.name());
  } else if constexpr (requires { std::string(request.parent()); }) {
    app->AskAbout(request.parent());
  } else if constexpr (requires { std::string(request.domain().name()); }) {
    app->AskAbout(request.domain().name());
  }
  const Waiting waiting(app->TakeExpected(daemon));
  return (stub.*method)(&context, request, response);
}

// Of a stream that ends in its result: `status`, or that the result did not come.
template <typename Response>
grpc::Status WholeAnswer(grpc::Status status, const Response& last) {
  if (!status.ok() || last.complete()) return status;
  return {grpc::StatusCode::UNAVAILABLE, "the daemon ended its answer early"};
}

// Where a list was cut.
template <typename Response>
void NoteNextPage(const App& app, const Response& response) {
  if (!response.next_page_token().empty()) {
    app.Note("there is more: --page-token " + response.next_page_token());
  }
}

// --limit and --page-token.
struct PageOptions {
  int limit = 0;
  std::string token;
  template <typename Command>
  void Add(Command* command) {
    command->add_option("--limit", limit, "at most so many, 1 to 1000; default 50")
        ->check(CLI::Range(1, 1000).description(""));
    command->add_option("--page-token", token, "go on where a list ended");
  }
  template <typename Request>
  void Fill(Request* request) const {
    request->set_page_size(limit);
    request->set_page_token(token);
  }
};

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_CALL_H_
