package convert

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"
)

// op is how an operator is built. fold, if there is one, computes it on the host when all inputs are
// constants (nil result: not this time); build makes the GoMLX graph. An operator without build works on
// constants alone.
type op struct {
	fold  func(c *call) []*host
	build func(c *call) []*value
}

// table lists the operators; those outside the standard domain have its name in front.
func table() map[string]op {
	reciprocal := func(x *graph.Node) *graph.Node { return graph.Reciprocal(x) }
	return map[string]op{
		// Convolutions and pools.
		"Conv":              {build: opConv},
		"ConvTranspose":     {build: opConvTranspose},
		"MaxPool":           {build: opMaxPool},
		"AveragePool":       {build: opAveragePool},
		"LpPool":            {build: opLpPool},
		"GlobalAveragePool": {build: opGlobalAveragePool},
		"GlobalMaxPool":     {build: opGlobalMaxPool},
		"GlobalLpPool":      {build: opGlobalLpPool},
		"MaxUnpool":         {build: opMaxUnpool},
		"Col2Im":            {build: opCol2Im},
		"DeformConv":        {build: opDeformConv},
		"GridSample":        {build: opGridSample},
		"AffineGrid":        {build: opAffineGrid},
		"RoiAlign":          {build: opRoiAlign},
		"Resize":            {build: opResize},
		"Upsample":          {build: opUpsample},

		// Normalisations.
		"BatchNormalization":        {build: opBatchNorm},
		"InstanceNormalization":     {build: opInstanceNorm},
		"GroupNormalization":        {build: opGroupNorm},
		"LayerNormalization":        {build: opLayerNorm},
		"RMSNormalization":          {build: opRMSNorm},
		"LpNormalization":           {build: opLpNorm},
		"LRN":                       {build: opLRN},
		"MeanVarianceNormalization": {build: opMeanVarianceNorm},

		// Activations.
		"Relu":            unary(func(x float64) float64 { return math.Max(x, 0) }, relu),
		"LeakyRelu":       {build: opLeakyRelu},
		"PRelu":           {build: opPRelu},
		"ThresholdedRelu": {build: opThresholdedRelu},
		"Elu":             {build: opElu},
		"Celu":            {build: opCelu},
		"Selu":            {build: opSelu},
		"Sigmoid":         unary(func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, graph.Sigmoid),
		"HardSigmoid":     {build: opHardSigmoid},
		"HardSwish":       {build: opHardSwish},
		"Softplus":        unary(func(x float64) float64 { return math.Max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }, softplus),
		"Softsign":        unary(func(x float64) float64 { return x / (1 + math.Abs(x)) }, softsign),
		"Tanh":            unary(math.Tanh, graph.Tanh),
		"Gelu":            {build: opGelu},
		"Mish":            {build: opMish},
		"Swish":           {build: opSwish},
		"Shrink":          {build: opShrink},
		"Clip":            {fold: foldClip, build: opClip},
		"Softmax":         {build: opSoftmax},
		"LogSoftmax":      {build: opLogSoftmax},
		"Hardmax":         {build: opHardmax},
		"Dropout":         {build: opDropout},

		// Arithmetic.
		"Add":        arithmetic(func(x, y float64) float64 { return x + y }, func(x, y int64) int64 { return x + y }, graph.Add),
		"Sub":        arithmetic(func(x, y float64) float64 { return x - y }, func(x, y int64) int64 { return x - y }, graph.Sub),
		"Mul":        arithmetic(func(x, y float64) float64 { return x * y }, func(x, y int64) int64 { return x * y }, graph.Mul),
		"Div":        arithmetic(func(x, y float64) float64 { return x / y }, divInts, graph.Div),
		"Mod":        {fold: foldMod, build: opMod},
		"Pow":        {fold: arithmetic(math.Pow, nil, nil).fold, build: opPow},
		"Max":        variadic(math.Max, func(x, y int64) int64 { return max(x, y) }, larger),
		"Min":        variadic(math.Min, func(x, y int64) int64 { return min(x, y) }, smaller),
		"Sum":        variadic(func(x, y float64) float64 { return x + y }, func(x, y int64) int64 { return x + y }, graph.Add),
		"Mean":       {build: opMean},
		"Abs":        unary(math.Abs, graph.Abs),
		"Neg":        unary(func(x float64) float64 { return -x }, graph.Neg),
		"Reciprocal": unary(func(x float64) float64 { return 1 / x }, reciprocal),
		"Sqrt":       unary(math.Sqrt, graph.Sqrt),
		"Exp":        unary(math.Exp, graph.Exp),
		"Log":        unary(math.Log, graph.Log),
		"Erf":        unary(math.Erf, graph.Erf),
		"Sin":        unary(math.Sin, graph.Sin),
		"Cos":        unary(math.Cos, graph.Cos),
		"Tan":        unary(math.Tan, tangent),
		"Sinh":       unary(math.Sinh, func(x *graph.Node) *graph.Node { return halfExp(x, graph.Sub) }),
		"Cosh":       unary(math.Cosh, func(x *graph.Node) *graph.Node { return halfExp(x, graph.Add) }),
		"Asinh":      unary(math.Asinh, asinh),
		"Acosh":      unary(math.Acosh, acosh),
		"Atanh":      unary(math.Atanh, atanh),
		"Asin":       unary(math.Asin, arcSine),
		"Acos":       unary(math.Acos, arcCosine),
		"Atan":       unary(math.Atan, arcTangent),
		"Floor":      unary(math.Floor, stepwise(graph.Floor)),
		"Ceil":       unary(math.Ceil, stepwise(graph.Ceil)),
		"Round":      unary(math.RoundToEven, stepwise(graph.Round)),
		"Sign":       unary(signOf, stepwise(graph.Sign)),

		// Attention and states along a sequence.
		"Attention":                     {build: opAttention},
		"ai.onnx.preview.FlexAttention": {build: opFlexAttention},
		"RotaryEmbedding":               {build: opRotaryEmbedding},
		"SwiGLU":                        {build: opSwiGLU},
		"LinearAttention":               {build: opLinearAttention},
		"CausalConvWithState":           {build: opCausalConv},
		"TensorScatter":                 {build: opTensorScatter},
		"NegativeLogLikelihoodLoss":     {build: opNegativeLogLikelihood},
		"SoftmaxCrossEntropyLoss":       {build: opSoftmaxCrossEntropy},

		"RNN":  {build: opRNN},
		"GRU":  {build: opGRU},
		"LSTM": {build: opLSTM},

		// Signals.
		"DFT":             {build: opDFT},
		"STFT":            {build: opSTFT},
		"HannWindow":      {fold: foldWindow(0.5, 0.5, 0)},
		"HammingWindow":   {fold: foldWindow(25.0/46, 21.0/46, 0)},
		"BlackmanWindow":  {fold: foldWindow(0.42, 0.5, 0.08)},
		"MelWeightMatrix": {fold: foldMelWeights},

		// Matrices.
		"Det":    {build: opDet},
		"MatMul": {build: opMatMul},
		"Gemm":   {build: opGemm},
		"Einsum": {build: opEinsum},

		// Comparisons and logic.
		"Equal":          compare(func(x, y float64) bool { return x == y }, func(x, y int64) bool { return x == y }, graph.Equal),
		"Greater":        compare(func(x, y float64) bool { return x > y }, func(x, y int64) bool { return x > y }, graph.GreaterThan),
		"GreaterOrEqual": compare(func(x, y float64) bool { return x >= y }, func(x, y int64) bool { return x >= y }, graph.GreaterOrEqual),
		"Less":           compare(func(x, y float64) bool { return x < y }, func(x, y int64) bool { return x < y }, graph.LessThan),
		"LessOrEqual":    compare(func(x, y float64) bool { return x <= y }, func(x, y int64) bool { return x <= y }, graph.LessOrEqual),
		"And":            compare(func(x, y float64) bool { return x != 0 && y != 0 }, func(x, y int64) bool { return x&y != 0 }, graph.LogicalAnd),
		"Or":             compare(func(x, y float64) bool { return x != 0 || y != 0 }, func(x, y int64) bool { return x|y != 0 }, graph.LogicalOr),
		"Xor":            compare(func(x, y float64) bool { return (x != 0) != (y != 0) }, func(x, y int64) bool { return x != y }, graph.LogicalXor),
		"Not":            unary(func(x float64) float64 { return 1 - x }, graph.LogicalNot),
		"Where":          {fold: foldWhere, build: opWhere},
		"IsNaN":          {build: opIsNaN},
		"IsInf":          {build: opIsInf},
		"BitwiseAnd":     arithmetic(nil, func(x, y int64) int64 { return x & y }, graph.BitwiseAnd),
		"BitwiseOr":      arithmetic(nil, func(x, y int64) int64 { return x | y }, graph.BitwiseOr),
		"BitwiseXor":     arithmetic(nil, func(x, y int64) int64 { return x ^ y }, graph.BitwiseXor),
		"BitwiseNot":     {build: opBitwiseNot},
		"BitShift":       {build: opBitShift},

		// Reductions.
		"ReduceSum":       reduction(sumOf, graph.ReduceSum),
		"ReduceMean":      reduction(meanOf, graph.ReduceMean),
		"ReduceMax":       reduction(maxOf, extreme(graph.ReduceMax)),
		"ReduceMin":       reduction(minOf, extreme(graph.ReduceMin)),
		"ReduceProd":      reduction(productOf, productOver),
		"ReduceL1":        reduction(absOf, sumOfAbs),
		"ReduceL2":        reduction(func(v []float64) float64 { return math.Sqrt(squaresOf(v)) }, rootOfSquares),
		"ReduceSumSquare": reduction(squaresOf, sumOfSquares),
		"ReduceLogSum":    reduction(func(v []float64) float64 { return math.Log(sumOf(v)) }, logOfSum),
		"ReduceLogSumExp": reduction(logSumExpOf, logSumExp),
		"ArgMax":          {build: opArg(func(x *graph.Node, a int) *graph.Node { return graph.ArgMax(x, a, indexType) })},
		"ArgMin":          {build: opArg(func(x *graph.Node, a int) *graph.Node { return graph.ArgMin(x, a, indexType) })},
		"CumSum":          {fold: foldCumSum, build: opCumSum},
		"CumProd":         {build: opCumProd},
		"TopK":            {fold: foldTopK, build: opTopK},

		// Shapes and movement.
		"Shape":             {build: opShape},
		"Size":              {build: opSize},
		"Reshape":           {build: opReshape},
		"Flatten":           {build: opFlatten},
		"Squeeze":           {build: opSqueeze},
		"Unsqueeze":         {build: opUnsqueeze},
		"Transpose":         {fold: foldTranspose, build: opTranspose},
		"Expand":            {fold: foldExpand, build: opExpand},
		"Tile":              {fold: foldTile, build: opTile},
		"Concat":            {fold: foldConcat, build: opConcat},
		"Split":             {fold: foldSplit, build: opSplit},
		"Slice":             {fold: foldSlice, build: opSlice},
		"Pad":               {fold: foldPad, build: opPad},
		"Gather":            {fold: foldGather, build: opGather},
		"GatherElements":    {fold: foldGatherElements, build: opGatherElements},
		"GatherND":          {fold: foldGatherND, build: opGatherND},
		"ScatterElements":   {fold: foldScatterElements, build: opScatterElements},
		"Scatter":           {fold: foldScatterElements, build: opScatterElements},
		"ScatterND":         {fold: foldScatterND, build: opScatterND},
		"OneHot":            {build: opOneHot},
		"NonZero":           {fold: foldNonZero},
		"Unique":            {fold: foldUnique},
		"NonMaxSuppression": {fold: foldNonMaxSuppression},
		"ReverseSequence":   {build: opReverseSequence},
		"Compress":          {fold: foldCompress},
		"Trilu":             {build: opTrilu},
		"EyeLike":           {build: opEyeLike},
		"CenterCropPad":     {build: opCenterCropPad},
		"DepthToSpace":      {build: opDepthToSpace},
		"SpaceToDepth":      {build: opSpaceToDepth},

		// Constants and types.
		"Identity":        {build: opIdentity},
		"Constant":        {build: opConstant},
		"ConstantOfShape": {fold: foldConstantOfShape},
		"Range":           {fold: foldRange},
		"Cast":            {fold: foldCast, build: opCast},
		"CastLike":        {fold: foldCast, build: opCast},
		"BitCast":         {fold: foldBitCast},

		// Quantised arithmetic.
		"DequantizeLinear":      {build: opDequantize},
		"QuantizeLinear":        {build: opQuantize},
		"DynamicQuantizeLinear": {build: opDynamicQuantize},
		"MatMulInteger":         {build: opMatMulInteger},
		"QLinearMatMul":         {build: opQLinearMatMul},
		"ConvInteger":           {build: opConvInteger},
		"QLinearConv":           {build: opQLinearConv},

		// Random numbers.
		"Bernoulli":         {build: opBernoulli},
		"RandomNormal":      {build: opRandom(true, false)},
		"RandomUniform":     {build: opRandom(false, false)},
		"RandomNormalLike":  {build: opRandom(true, true)},
		"RandomUniformLike": {build: opRandom(false, true)},

		// Control flow and sequences that the input shapes decide.
		"If":                 {build: opIf},
		"Loop":               {build: opLoop},
		"Scan":               {build: opScan},
		"SequenceMap":        {build: opSequenceMap},
		"Optional":           {build: opOptional},
		"OptionalHasElement": {build: opOptionalHasElement},
		"OptionalGetElement": {build: opOptionalGetElement},
		"SequenceEmpty":      {build: opSequenceEmpty},
		"SequenceConstruct":  {build: opSequenceConstruct},
		"SequenceAt":         {build: opSequenceAt},
		"SequenceInsert":     {build: opSequenceInsert},
		"SequenceErase":      {build: opSequenceErase},
		"SequenceLength":     {build: opSequenceLength},
		"ConcatFromSequence": {build: opConcatFromSequence},
		"SplitToSequence":    {build: opSplitToSequence},
	}
}
