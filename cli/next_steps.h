// cli/next_steps.h
// What a person can do after a failure, and the daemons' words in those of the command line. Pure.

#ifndef DMARCATE_CLI_NEXT_STEPS_H_
#define DMARCATE_CLI_NEXT_STEPS_H_

#include <string>
#include <string_view>
#include <vector>

namespace dmarcate::cli {

// The next thing to do, by reason: the line on which the eye rests. None: nothing that is known.
std::vector<std::string> NextSteps(std::string_view reason);

// One that needs no quotes and no escape.
bool IsPlainWord(std::string_view text);

// A next step with the words DOMAIN, CHANGE, SOURCE and PROVIDER as the names that `resource` has,
// so that it can be typed as it is. What is not known, or would have to be quoted, stays a word to
// fill in.
std::string WithNames(std::string step, std::string_view resource);

// Where a resource that was not found would be listed.
std::vector<std::string> WhereListed(std::string_view resource);

// Fields of the API's messages as the command line names them. A message that begins with one is
// told with the other.
std::string WithFlag(const std::string& message);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_NEXT_STEPS_H_
