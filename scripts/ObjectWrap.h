/* node::ObjectWrap as it was before Node 24.19, for scripts/objectWrap.mjs: without the calls that end a process. */
#include <node.h>

namespace node {
inline void LeaveCleanupHookAlone(v8::Isolate*, void (*)(void*), void*) {}
}

#define AddEnvironmentCleanupHook LeaveCleanupHookAlone
#define RemoveEnvironmentCleanupHook LeaveCleanupHookAlone
#include <node_object_wrap.h>
#undef AddEnvironmentCleanupHook
#undef RemoveEnvironmentCleanupHook
