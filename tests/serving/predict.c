/* Feeds captions to a SavedModel through TensorFlow's C library, as a server without Python would.

   predict EXPORT_DIR INPUT_OPERATION OUTPUT_OPERATION CAPTION...

   Writes the bytes of the output, an 8-bit tensor, to stdout; its shape and any error to stderr.
   Exits with 0, or with the code of the error (TF_Code). */

#include <stdio.h>
#include <string.h>

#include "tensorflow/c/c_api.h"

static int failed(const char *doing, TF_Status *status) {
  int code = TF_GetCode(status);
  if (code != TF_OK) fprintf(stderr, "%s: %s\n", doing, TF_Message(status));
  return code;
}

static TF_Tensor *string_tensor(char **values, int64_t count) {
  TF_Tensor *tensor = TF_AllocateTensor(TF_STRING, &count, 1, count * sizeof(TF_TString));
  TF_TString *strings = TF_TensorData(tensor);
  for (int64_t i = 0; i < count; ++i) {
    TF_StringInit(&strings[i]);
    TF_StringCopy(&strings[i], values[i], strlen(values[i]));
  }
  return tensor;
}

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: predict EXPORT_DIR INPUT_OPERATION OUTPUT_OPERATION CAPTION...\n");
    return 64;
  }
  TF_Status *status = TF_NewStatus();
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  const char *tags[] = {"serve"};
  TF_Session *session =
      TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1, graph, NULL, status);
  if (failed("load", status)) return TF_GetCode(status);

  TF_Output input = {TF_GraphOperationByName(graph, argv[2]), 0};
  TF_Output output = {TF_GraphOperationByName(graph, argv[3]), 0};
  if (!input.oper || !output.oper) {
    fprintf(stderr, "no such operation\n");
    return 64;
  }
  TF_Tensor *captions = string_tensor(argv + 4, argc - 4);
  TF_Tensor *result = NULL;
  TF_SessionRun(session, NULL, &input, &captions, 1, &output, &result, 1, NULL, 0, NULL, status);
  int code = failed("run", status);
  if (code == TF_OK) {
    for (int i = 0; i < TF_NumDims(result); ++i) {
      fprintf(stderr, "%lld ", (long long)TF_Dim(result, i));
    }
    fwrite(TF_TensorData(result), 1, TF_TensorByteSize(result), stdout);
    TF_DeleteTensor(result);
  }
  TF_DeleteTensor(captions);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return code;
}
