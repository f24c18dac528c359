package hub

// Role says what a file of a model is.
type Role string

// The roles.
const (
	RoleModel      Role = "model"      // the .onnx file
	RoleData       Role = "data"       // external data, beside the model under the name that the model uses
	RoleSpec       Role = "spec"       // spec.json, equal to the Spec inside the model
	RoleCard       Role = "card"       // README.md
	RoleRun        Role = "run"        // run.json: how it was trained, without the names of cases
	RoleEvaluation Role = "evaluation" // evaluation.json: scores by label, without the names of cases
)

// ArtifactType is the artifact type of a model's manifest.
const ArtifactType = "application/vnd.nitrain.model.v1"

// ConfigType is the media type of a model's config, see [Config].
const ConfigType = "application/vnd.nitrain.model.config.v1+json"

// MediaType returns the media type of the files of a role, "" for an unknown role.
func (r Role) MediaType() string {
	switch r {
	case RoleModel:
		return "application/vnd.nitrain.model.onnx.v1"
	case RoleData:
		return "application/vnd.nitrain.model.data.v1"
	case RoleSpec:
		return "application/vnd.nitrain.model.spec.v1+json"
	case RoleCard:
		return "application/vnd.nitrain.model.card.v1+markdown"
	case RoleRun:
		return "application/vnd.nitrain.model.run.v1+json"
	case RoleEvaluation:
		return "application/vnd.nitrain.model.evaluation.v1+json"
	}
	return ""
}

// roles lists the roles in the order of a manifest's layers.
func roles() []Role {
	return []Role{RoleModel, RoleData, RoleSpec, RoleCard, RoleRun, RoleEvaluation}
}

// roleOf returns the role that a media type stands for.
func roleOf(mediaType string) (Role, bool) {
	for _, r := range roles() {
		if r.MediaType() == mediaType {
			return r, true
		}
	}
	return "", false
}

// document tells roles whose files are small texts that the hub itself reads.
func (r Role) document() bool { return r != RoleModel && r != RoleData }

// The annotations of ours; the others are those of the OCI image specification.
const (
	annotationTask   = "io.github.nitrain.task"
	annotationSource = "io.github.nitrain.provenance.source"
	annotationSHA256 = "io.github.nitrain.provenance.sha256"
	annotationData   = "io.github.nitrain.provenance.data"
	annotationRun    = "io.github.nitrain.provenance.run"
	annotationFrom   = "io.github.nitrain.pulled-from" // of an index's entry
	annotationIndex  = "io.github.nitrain.index.sha256"
)
